//! `celeriac key`: keys of the HTTP API.

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::api_keys;
use crate::audit::Actor;
use crate::human::clock;
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key. It is shown this once.
    Create {
        /// Who will use it, as in web-app.
        name: String,
    },
    /// All keys, without their secrets.
    List,
    /// End a key at once.
    Revoke { name: String },
}

impl Key {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        let pool = stores.postgres().await?;
        match self {
            Self::Create { name } => {
                let key = api_keys::create(&pool, actor, &name).await?;
                let key = key.expose_secret();
                let line = format!("{key}\nThis is the only time it is shown. Send it as: Authorization: Bearer {key}");
                Ok(Reply::of(&json!({ "name": name, "key": key })).line(line))
            }
            Self::List => {
                let rows = api_keys::list(&pool).await?;
                let mut table = Table::new(&["NAME", "KEY", "CREATED", "LAST USED", "STATE"], "There are no keys.");
                for row in &rows {
                    table.push(vec![
                        (&row.name).into(),
                        format!("{}…", row.prefix).into(),
                        clock(row.created_at).into(),
                        Cell::maybe(row.last_used_at.map(clock)),
                        match row.revoked_at {
                            Some(at) => Cell::toned(format!("revoked {}", clock(at)), Tone::Bad),
                            None => Cell::toned("valid", Tone::Good),
                        },
                    ]);
                }
                Ok(Reply::of(&rows).table(table))
            }
            Self::Revoke { name } => {
                let changed = api_keys::revoke(&pool, actor, &name).await?;
                let line = if changed { format!("{name} is revoked.") } else { format!("{name} was revoked before.") };
                Ok(Reply::of(&json!({ "name": name, "changed": changed })).line(line))
            }
        }
    }
}
