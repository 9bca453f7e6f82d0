//! Budgets: what is reserved counts, what was spent is the ledger's to say, and a period ends where the calendar ends it.

use celeriac_jobs::admission::{Admission, Answer, Budget, End, Limits, Need, Offer, Shortage, Use};
use celeriac_queue::Millis;
use chrono::{DateTime, Datelike, Days, Months, TimeZone, Utc};
use sqlx::PgPool;

use crate::desk::{NOON, connection, granted, need, wait};

async fn with_budget(pool: &PgPool, limits: Limits) -> Admission {
    Admission::new(connection().await, pool.clone(), "gpt-4.1-mini", limits)
}

async fn paid(pool: &PgPool, at: &str, user_id: Option<i64>, usd: f64) {
    sqlx::query(
        "insert into celeriac.paid_answers (number, paid_at, user_id, model, state, input_tokens, output_tokens, cost_usd)
         values (1, $1::timestamptz, $2, 'gpt-4.1-mini', 'answered', 1, 1, $3::float8)",
    )
    .bind(at.parse::<DateTime<Utc>>().unwrap())
    .bind(user_id)
    .bind(usd)
    .execute(pool)
    .await
    .unwrap();
}

fn spent(answer: Answer) -> (Budget, u64, Millis) {
    match answer {
        Answer::Spent(Shortage { budget, spent_micro_usd, renews_in, .. }) => (budget, spent_micro_usd, renews_in.as_millis() as u64),
        other => panic!("the budget is not spent: {other:?}"),
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_redis_that_has_lost_everything_is_told_by_the_ledger_what_was_spent(pool: PgPool) {
    paid(&pool, "2026-11-21T00:00:00Z", Some(7), 0.004).await;
    paid(&pool, "2026-11-20T23:59:59Z", Some(7), 0.030).await;
    paid(&pool, "2026-10-31T23:59:59Z", Some(7), 9.0).await;
    let limits = Limits { day: 6_000, month: 40_000, ..Limits::default() };
    let one = with_budget(&pool, limits.clone()).await;
    let hold = granted(&one.at(NOON), &need("a")).await;
    granted(&one.at(NOON), &need("b")).await;
    // All is reserved: what is not spent of it may come back.
    wait(&one.at(NOON), &need("c")).await;
    one.at(NOON).settle(hold, &Use { end: End::Answered, micro_usd: 1_900, ..Use::default() }).await;
    let (budget, so_far, renews_ms) = spent(one.at(NOON).admit(&need("c")).await.unwrap());
    assert_eq!((budget, so_far, renews_ms), (Budget::Day, 5_900, 12 * 3_600_000));
    // The same, with other keys: a Redis that knows nothing. The ledger had that answer before Redis heard of it.
    paid(&pool, "2026-11-21T12:00:00Z", None, 0.001_9).await;
    let (budget, so_far, _) = spent(with_budget(&pool, limits.clone()).await.at(NOON).admit(&need("c")).await.unwrap());
    assert_eq!((budget, so_far), (Budget::Day, 5_900));
    // The day has passed; the month has not.
    let later = NOON + 86_400_000;
    for ticket in ["d", "e", "f", "g"] {
        granted(&one.at(later), &need(ticket)).await;
    }
    let (budget, so_far, _) =
        spent(with_budget(&pool, Limits { day: 0, month: 36_000, ..limits }).await.at(later).admit(&need("h")).await.unwrap());
    assert_eq!((budget, so_far), (Budget::Month, 35_900));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn money_that_a_crash_has_left_reserved_comes_back(pool: PgPool) {
    let one = with_budget(&pool, Limits { day: 1_500, ..Limits::default() }).await;
    granted(&one.at(NOON), &need("a")).await;
    wait(&one.at(NOON + 129_000), &need("b")).await;
    granted(&one.at(NOON + 131_000), &need("b")).await;
    assert_eq!(one.at(NOON + 131_000).view().await.unwrap().reserved_micro_usd, 1_000);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_users_budget_stops_that_user_only(pool: PgPool) {
    paid(&pool, "2026-11-21T00:00:00Z", Some(7), 0.004).await;
    let one = with_budget(&pool, Limits { user_day: 4_500, user_month: 50_000, ..Limits::default() }).await;
    let of = |user_id| Need { user_id, ..need("a") };
    assert_eq!(spent(one.at(NOON).admit(&of(Some(7))).await.unwrap()).0, Budget::UserDay);
    granted(&one.at(NOON), &of(Some(8))).await;
    granted(&one.at(NOON), &of(None)).await;
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn periods_end_where_the_calendar_ends_them(pool: PgPool) {
    let days = with_budget(&pool, Limits { day: 10, ..Limits::default() }).await;
    let months = with_budget(&pool, Limits { month: 10, ..Limits::default() }).await;
    for at in ["2026-12-31T23:59:59Z", "2028-02-28T12:00:00Z", "2028-02-29T00:00:00Z", "2027-01-01T00:00:00Z", "2100-02-28T01:02:03Z"] {
        let now: DateTime<Utc> = at.parse().unwrap();
        let midnight = now.date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
        let first = Utc.with_ymd_and_hms(now.year(), now.month(), 1, 0, 0, 0).unwrap();
        let ms = now.timestamp_millis().unsigned_abs();
        let until = |end: DateTime<Utc>| (end - now).num_milliseconds().unsigned_abs();
        assert_eq!(spent(days.at(ms).admit(&need("a")).await.unwrap()).2, until(midnight + Days::new(1)), "{at}");
        assert_eq!(spent(months.at(ms).admit(&need("a")).await.unwrap()).2, until(first + Months::new(1)), "{at}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn of_many_at_once_no_more_are_let_in_than_the_budget_can_pay(pool: PgPool) {
    let one = with_budget(&pool, Limits { day: 20_000, ..Limits::default() }).await;
    let tickets: Vec<String> = (0..60).map(|number| format!("job-{number}")).collect();
    let needs: Vec<Need<'_>> = tickets.iter().map(|ticket| need(ticket)).collect();
    let answers = futures::future::join_all(needs.iter().map(|need| one.admit(need))).await;
    let let_in = answers.iter().filter(|answer| matches!(answer.as_ref().unwrap(), Answer::Granted(_))).count();
    assert_eq!(let_in, 20);
    assert_eq!(one.view().await.unwrap().reserved_micro_usd, 20_000);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_is_promised_to_batches_is_kept_back_from_requests_and_from_other_batches_until_it_is_forgotten(pool: PgPool) {
    let one = with_budget(&pool, Limits { day: 5_000, user_day: 3_000, ..Limits::default() }).await.at(NOON);
    let of = |user_id, micro_usd| Offer { user_id, micro_usd };
    let hold = granted(&one, &need("a")).await;
    // In their order; a user that has no more does not keep others from theirs, and what a request holds counts.
    let offers = [of(Some(7), 2_000), of(Some(7), 1_001), of(Some(7), 1_000), of(None, 1_001), of(Some(8), 1_000), of(None, 1)];
    assert_eq!(one.promise(&offers).await.unwrap(), [true, false, true, false, true, false]);
    one.settle(hold, &Use::default()).await;
    granted(&one, &need("b")).await;
    wait(&one, &need("c")).await;
    match one.admit(&Need { micro_usd: 1_001, ..need("c") }).await.unwrap() {
        Answer::Promised { shortage, promised_micro_usd } => {
            assert_eq!((shortage.budget, shortage.spent_micro_usd, promised_micro_usd), (Budget::Day, 0, 4_000));
        }
        other => panic!("it may go to batches: {other:?}"),
    }
    // The ledger knows of no batch: they were promised and never made.
    one.forget().await;
    granted(&one.at(NOON + 2_000), &need("c")).await;
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn after_the_ledger_has_changed_nobody_is_let_in_by_what_it_said_before(pool: PgPool) {
    let one = with_budget(&pool, Limits { day: 5_000, ..Limits::default() }).await.at(NOON);
    // It changes while many ask; what they were told before is forgotten.
    let needs: Vec<String> = (0..5).map(|number| format!("job-{number}")).collect();
    let asking = async {
        for ticket in &needs {
            one.admit(&need(ticket)).await.unwrap();
        }
    };
    let changing = async {
        paid(&pool, "2026-11-21T11:00:00Z", None, 0.005).await;
        one.forget().await;
    };
    futures::join!(asking, changing);
    assert_eq!(spent(one.admit(&need("last")).await.unwrap()).1, 5_000);
}
