//! The file makes its own rows, and only those.

use celeriac_scheduler::{SeedReport, schedules, seed};
use sqlx::PgPool;

use crate::support::World;

const FILE: &str = r#"
    [hourly]
    job = "greet"
    cron = "@hourly"
    [nightly]
    job = "greet"
    cron = "0 3 * * *"
    time_zone = "America/New_York"
"#;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn rows_follow_the_file_and_a_persons_edit_stays(pool: PgPool) {
    let world = World::new(pool).await;
    let seed = async |text: &str| seed(&world.pool, &schedules::parse(text).unwrap()).await.unwrap();
    assert_eq!(seed(FILE).await, SeedReport { added: names(&["hourly", "nightly"]), ..SeedReport::default() });
    assert_eq!(seed(FILE).await, SeedReport::default(), "the same file changed something");

    world.execute("update celeriac.schedules set source = 'person', enabled = false where name = 'hourly'").await;
    world.execute("insert into celeriac.schedules (name, cron, job, source) values ('own', '@daily', 'greet', 'person')").await;
    let kept = seed(&FILE.replace("@hourly", "@weekly")).await;
    assert_eq!(kept, SeedReport { kept: names(&["hourly"]), ..SeedReport::default() });
    assert_eq!(world.count("select count(*) from celeriac.schedules where cron = '@hourly' and not enabled").await, 1);

    let without_nightly = FILE.split("[nightly]").next().unwrap();
    assert_eq!(seed(without_nightly).await.disabled, ["nightly"]);
    assert_eq!(seed(without_nightly).await.disabled, [""; 0]);
    assert_eq!(world.count("select count(*) from celeriac.schedules where name = 'own' and enabled").await, 1);
    assert_eq!(seed(FILE).await.updated, ["nightly"], "a schedule that is in the file again stays off");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn another_rhythm_is_counted_anew_and_another_job_keeps_its_next_moment(pool: PgPool) {
    let world = World::new(pool).await;
    let seed = async |text: &str| seed(&world.pool, &schedules::parse(text).unwrap()).await.unwrap();
    seed(FILE).await;
    let counted = "select count(*) from celeriac.schedules where next_at is not null";
    world.execute("update celeriac.schedules set next_at = now()").await;
    assert_eq!(seed(&FILE.replace("\"greet\"", "\"salute\"")).await.updated, ["hourly", "nightly"]);
    assert_eq!(world.count(counted).await, 2);
    assert_eq!(seed(&FILE.replace("\"greet\"", "\"salute\"").replace("New_York", "Chicago")).await.updated, ["nightly"]);
    assert_eq!(world.count(counted).await, 1);
}

#[test]
fn the_schedules_that_ship_can_be_read_and_name_jobs_that_ship() {
    let catalogue = celeriac_scheduler::Catalogue::shipped();
    let shipped = schedules::parse(include_str!("../../../schedules.toml")).unwrap();
    assert_eq!(shipped.len(), 6);
    for schedule in shipped {
        assert!(catalogue.knows(&schedule.job), "{} names {}, which is no job", schedule.name, schedule.job);
        assert!(schedule.expires_seconds.is_some(), "{} piles up while no worker runs", schedule.name);
    }
}
