//! Backups: what the nightly job would need, tried out by its own dry run.

use celeriac_jobs::backup::Backups;

use super::Finding;
use crate::stores::Stores;

const ABOUT: &str = "backup";

pub(super) async fn check(stores: &Stores) -> Vec<Finding> {
    let settings = stores.settings();
    let unset = |name: &'static str| settings.maybe(name).is_none().then_some(name);
    let missing: Vec<&str> = ["BACKUP_DIR", "BACKUP_RECIPIENT"].into_iter().filter_map(unset).collect();
    let made = match missing.is_empty() {
        true => rehearse(stores).await,
        false => Some(Finding::warning(
            ABOUT,
            format!("no backup can be made: {} not set", missing.join(" and ")),
            "set BACKUP_DIR to a folder and BACKUP_RECIPIENT to an age public key (age-keygen makes one)",
        )),
    };
    let proved = unset("BACKUP_IDENTITY").map(|name| {
        Finding::warning(ABOUT, format!("no backup can be proved restorable: {name} is not set"), "set it where verify_backup runs")
    });
    made.into_iter().chain(proved).collect()
}

/// Folder, key, and a pg_dump that is not older than the server. Nothing is said while PostgreSQL is away: that is told elsewhere.
async fn rehearse(stores: &Stores) -> Option<Finding> {
    stores.settings().maybe("DATABASE_URL")?;
    let pool = stores.postgres().await.ok()?;
    let tried = async {
        let report = Backups::from_settings(stores.settings(), pool)?.back_up("celeriac check", true).await?;
        anyhow::Ok(report)
    };
    Some(match tried.await {
        Ok(_) => Finding::ok(ABOUT, "the folder, the key and pg_dump are ready"),
        Err(error) => Finding::problem(ABOUT, format!("{error:#}"), "mend it and check again: until then no backup is made"),
    })
}
