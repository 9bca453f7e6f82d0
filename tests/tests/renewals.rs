//! `process_renewals` against a real database and the PayPal stand-in.
//!
//! The stand-in lets an invoice be paid twice here (PayPal refuses that by default), so that what charges once is our own ledger.

use celeriac_jobs::renewals::{Action, ProcessRenewals, Renewals, Renewing, RunError};
use celeriac_ops::standin::paypal::{CLIENT_ID, CLIENT_SECRET, Fault, FaultKind, PayPalStub, Step, StubOptions};
use celeriac_process::{Process, Settings};
use celeriac_queue::State;
use celeriac_tests::{System, eventually};
use chrono::{Days, NaiveDate};
use serde_json::Value;
use sqlx::PgPool;

/// One database with one PayPal.
struct Shop {
    pool: PgPool,
    paypal: PayPalStub,
    renewing: Renewing,
    today: NaiveDate,
}

impl Shop {
    async fn open(pool: PgPool) -> Self {
        let options = StubOptions { refuse_paid_invoices: false, ..StubOptions::default() };
        let paypal = PayPalStub::start(options).await.unwrap();
        let renewing = renewing(&pool, &paypal.url(), CLIENT_SECRET, 100);
        let today = sqlx::query_scalar("select (now() at time zone 'America/New_York')::date").fetch_one(&pool).await.unwrap();
        Self { pool, paypal, renewing, today }
    }

    /// A monthly subscription of 20.00 USD, due since yesterday, with a licence that ends today.
    async fn subscribe(&self, payment_token: &str) -> i64 {
        sqlx::query_scalar(
            "with licence as (insert into celeriac.licenses (user_id, plan, plan_expires_at) values (1, 'monthly', now()) returning id)
             insert into celeriac.subscriptions (user_id, license_id, plan, amount_cents, payment_token, next_renewal_on)
             select 1, id, 'monthly', 2000, $1, $2 from licence returning id",
        )
        .bind(payment_token)
        .bind(self.yesterday())
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    fn yesterday(&self) -> NaiveDate {
        self.today - Days::new(1)
    }

    async fn run(&self) -> Renewals {
        // Busy until the server has noticed that a run before was killed; the job would come back later.
        eventually("a run", || async {
            match self.renewing.run(&ProcessRenewals::default()).await {
                Err(RunError::Busy) => Err("busy"),
                report => Ok(report.unwrap()),
            }
        })
        .await
    }

    /// A run whose process dies where the stand-in has done that step and not yet answered.
    async fn run_and_die_at(&self, step: Step) {
        let hung = self.paypal.hanging() + 1;
        self.paypal.fault(Fault { step, kind: FaultKind::Hang, times: 1 });
        let renewing = self.renewing.clone();
        let run = tokio::spawn(async move { renewing.run(&ProcessRenewals::default()).await });
        eventually("that step", || async { if self.paypal.hanging() == hung { Ok(()) } else { Err("not reached") } }).await;
        run.abort();
        assert!(run.await.unwrap_err().is_cancelled());
    }

    async fn value(&self, query: &'static str, id: i64) -> Value {
        sqlx::query_scalar(query).bind(id).fetch_one(&self.pool).await.unwrap()
    }

    async fn subscription(&self, id: i64) -> Value {
        self.value("select to_jsonb(s) from celeriac.subscriptions s where id = $1", id).await
    }

    /// The licence of that subscription, its end as a day in New York.
    async fn licence(&self, subscription: i64) -> Value {
        self.value(
            "select jsonb_build_object('status', l.status, 'ends', (l.plan_expires_at at time zone 'America/New_York')::date)
             from celeriac.subscriptions s join celeriac.licenses l on l.id = s.license_id where s.id = $1",
            subscription,
        )
        .await
    }

    /// The newest renewal of that subscription.
    async fn renewal(&self, subscription: i64) -> Value {
        self.value(
            "select to_jsonb(r) from celeriac.renewals r where subscription_id = $1 order by period_start desc limit 1",
            subscription,
        )
        .await
    }

    async fn set(&self, query: &'static str, id: i64) {
        sqlx::query(query).bind(id).execute(&self.pool).await.unwrap();
    }

    /// Everything that a renewal can change.
    async fn everything(&self) -> Value {
        sqlx::query_scalar(
            "select jsonb_build_array(
                 (select jsonb_agg(to_jsonb(s) order by id) from celeriac.subscriptions s),
                 (select jsonb_agg(to_jsonb(r) order by id) from celeriac.renewals r),
                 (select jsonb_agg(to_jsonb(l) order by id) from celeriac.licenses l))",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }
}

fn renewing(pool: &PgPool, paypal_url: &str, secret: &str, renewals_max: u32) -> Renewing {
    let pairs = [
        ("REDIS_URL", "redis://127.0.0.1/".to_owned()),
        ("PAYPAL_BASE_URL", paypal_url.to_owned()),
        ("PAYPAL_CLIENT_ID", CLIENT_ID.to_owned()),
        ("PAYPAL_CLIENT_SECRET", secret.to_owned()),
        ("RENEWALS_MAX", renewals_max.to_string()),
    ];
    let settings = Settings::from_pairs(Process::OwnWorker, pairs.map(|(name, value)| (name.to_owned(), value))).unwrap();
    Renewing::from_settings(&settings, pool.clone()).unwrap()
}

fn invoice(subscription: i64, period: NaiveDate) -> String {
    format!("renewal-{subscription}-{period}")
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_subscription_is_charged_once_however_often_the_job_runs(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("vault-1").await;
    let period = shop.yesterday();

    assert_eq!(shop.run().await.charged, 1);
    assert_eq!(shop.run().await, Renewals { on: shop.today, ..Renewals::default() });

    assert_eq!(shop.paypal.captured(&invoice(id, period)), ["20.00 USD"]);
    let next: NaiveDate = shop.subscription(id).await["next_renewal_on"].as_str().unwrap().parse().unwrap();
    assert!(next > shop.today);
    let lasts_through_the_next_renewal = (next + Days::new(1)).to_string();
    assert_eq!(shop.licence(id).await, serde_json::json!({ "status": "active", "ends": lasts_through_the_next_renewal }));
    let renewal = shop.renewal(id).await;
    assert_eq!((&renewal["state"], &renewal["calls"], &renewal["lookups"]), (&"charged".into(), &1.into(), &0.into()));
    assert!(renewal["provider_order_id"].is_string() && renewal["provider_capture_id"].is_string());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn killed_between_the_charge_and_the_commit_it_is_charged_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("vault-1").await;
    shop.run_and_die_at(Step::Capture).await;
    assert_eq!(shop.renewal(id).await["state"], "started");
    shop.paypal.forget_request_ids();

    let report = shop.run().await;
    assert_eq!((report.charged, report.unknown_resolved), (1, 1));
    assert_eq!(shop.paypal.captured(&invoice(id, shop.yesterday())), ["20.00 USD"]);
    assert_eq!(shop.paypal.capture_calls(), 1, "it was looked up, not tried again");
    assert_eq!(shop.renewal(id).await["lookups"], 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn killed_while_the_order_was_created_it_is_charged_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("vault-1").await;
    shop.run_and_die_at(Step::Create).await;
    assert_eq!(shop.run().await.charged, 1);
    assert_eq!(shop.paypal.captured(&invoice(id, shop.yesterday())), ["20.00 USD"]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn whatever_happens_to_the_answer_the_money_is_taken_once(pool: PgPool) {
    let mut shop = Shop::open(pool).await;
    for (step, kind) in [
        (Step::Token, FaultKind::Unavailable),
        (Step::Create, FaultKind::Unavailable),
        (Step::Create, FaultKind::CutAfter),
        (Step::Capture, FaultKind::Unavailable),
        (Step::Capture, FaultKind::BrokenAnswer),
        (Step::Capture, FaultKind::CutBefore),
        (Step::Capture, FaultKind::CutAfter),
    ] {
        // A client of its own, as each keeps its token.
        shop.renewing = renewing(&shop.pool, &shop.paypal.url(), CLIENT_SECRET, 100);
        let id = shop.subscribe("vault-1").await;
        shop.paypal.fault(Fault { step, kind, times: 1 });
        let first = shop.run().await;
        assert_eq!((first.charged, first.unanswered.len()), (0, 1), "{step:?} {kind:?}");
        shop.paypal.forget_request_ids();
        assert_eq!(shop.run().await.charged, 1, "{step:?} {kind:?}");
        assert_eq!(shop.paypal.captured(&invoice(id, shop.yesterday())), ["20.00 USD"], "{step:?} {kind:?}");
        assert!(shop.renewal(id).await["error"].is_null());
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn two_runs_at_once_charge_each_subscription_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for number in 0..8 {
        shop.subscribe(&format!("vault-{number}")).await;
    }
    let run = |renewing: Renewing| async move { renewing.run(&ProcessRenewals::default()).await };
    let other = renewing(&shop.pool, &shop.paypal.url(), CLIENT_SECRET, 100);
    let (one, two) = tokio::join!(tokio::spawn(run(shop.renewing.clone())), tokio::spawn(run(other)));
    let runs = [one.unwrap(), two.unwrap()];
    assert!(runs.iter().all(|run| matches!(run, Ok(_) | Err(RunError::Busy))), "{runs:?}");
    assert_eq!(runs.iter().flatten().map(|report| report.charged).sum::<u64>(), 8);
    assert!(shop.paypal.captures().values().all(|times| *times == 1));
    assert_eq!(shop.paypal.captures().len(), 8);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_declined_payment_leaves_its_licence_and_the_others_alone_until_it_is_mended(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let declined = shop.subscribe("declined-1").await;
    let good = shop.subscribe("vault-2").await;
    shop.set("update celeriac.subscriptions set credit_cents = 500 where id = $1", declined).await;
    let licence_before = shop.licence(declined).await;

    let report = shop.run().await;
    assert_eq!((report.charged, report.declined), (1, 1));
    assert_eq!(shop.subscription(good).await["status"], "active");
    let subscription = shop.subscription(declined).await;
    assert_eq!((&subscription["status"], &subscription["credit_cents"]), (&"past_due".into(), &500.into()), "credit is given back");
    assert_eq!(shop.licence(declined).await, licence_before);
    let error = shop.renewal(declined).await["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("INSTRUMENT_DECLINED"), "{error}");
    assert_eq!(shop.run().await, Renewals { on: shop.today, ..Renewals::default() }, "nothing is tried while it is past due");

    shop.set("update celeriac.subscriptions set payment_token = 'vault-3', status = 'active' where id = $1", declined).await;
    assert_eq!(shop.run().await.charged, 1);
    assert_eq!(shop.paypal.captured(&invoice(declined, shop.yesterday())), ["15.00 USD"]);
    assert_eq!(shop.subscription(declined).await["credit_cents"], 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn credit_is_used_before_money_and_pays_a_period_whole_without_the_provider(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let partly = shop.subscribe("vault-1").await;
    let whole = shop.subscribe("vault-2").await;
    shop.set("update celeriac.subscriptions set credit_cents = 1 where id = $1", partly).await;
    shop.set("update celeriac.subscriptions set credit_cents = 4500 where id = $1", whole).await;

    let report = shop.run().await;
    assert_eq!((report.charged, report.credited), (1, 1));
    assert_eq!(shop.paypal.captured(&invoice(partly, shop.yesterday())), ["19.99 USD"]);
    assert_eq!(shop.paypal.capture_calls(), 1);
    assert_eq!(shop.subscription(partly).await["credit_cents"], 0);
    assert_eq!(shop.subscription(whole).await["credit_cents"], 2500);
    let renewal = shop.renewal(whole).await;
    assert_eq!((&renewal["state"], &renewal["provider_order_id"]), (&"charged".into(), &Value::Null));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_dry_run_lists_what_a_run_would_do_changes_nothing_and_asks_nobody(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let unknown = shop.subscribe("vault-1").await;
    shop.run_and_die_at(Step::Capture).await;
    let due = shop.subscribe("vault-2").await;
    let credited = shop.subscribe("vault-3").await;
    shop.set("update celeriac.subscriptions set credit_cents = 2000 where id = $1", credited).await;
    let (before, calls) = (shop.everything().await, shop.paypal.calls());

    let dry = shop.renewing.run(&ProcessRenewals { dry_run: true, on: None }).await.unwrap();
    let listed: Vec<_> = dry.would_charge.iter().map(|would| (would.subscription_id, would.action, would.charge_cents)).collect();
    assert_eq!(listed, [(unknown, Action::LookUp, 2000), (due, Action::Charge, 2000), (credited, Action::Credit, 0)]);
    assert_eq!(shop.everything().await, before);
    assert_eq!(shop.paypal.calls(), calls);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn only_a_dry_run_may_look_ahead(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("vault-1").await;
    shop.set("update celeriac.subscriptions set next_renewal_on = next_renewal_on + 30 where id = $1", id).await;
    let on = Some(shop.today + Days::new(40));
    let dry = shop.renewing.run(&ProcessRenewals { dry_run: true, on }).await.unwrap();
    assert_eq!(dry.would_charge.len(), 1);
    let refused = shop.renewing.run(&ProcessRenewals { dry_run: false, on }).await.unwrap_err();
    assert!(refused.to_string().contains("only a dry run may look ahead"), "{refused}");
    assert_eq!(shop.run().await.charged, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_subscription_of_the_31st_renews_at_each_months_end_one_period_a_run(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("vault-1").await;
    shop.set("update celeriac.subscriptions set next_renewal_on = '2026-01-31' where id = $1", id).await;
    let mut starts = Vec::new();
    for _ in 0..4 {
        assert_eq!(shop.run().await.charged, 1);
        starts.push(shop.subscription(id).await["next_renewal_on"].as_str().unwrap().to_owned());
    }
    assert_eq!(starts, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]);
    assert!(shop.paypal.captures().values().all(|times| *times == 1));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_charge_that_can_no_longer_be_looked_up_is_left_to_a_person(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("vault-1").await;
    shop.run_and_die_at(Step::Capture).await;
    shop.paypal.forget_request_ids();
    shop.paypal.forget_all_orders();
    for _ in 0..2 {
        let report = shop.run().await;
        assert_eq!(report.charged, 0);
        assert!(report.for_a_person[0].contains(&format!("look for invoice {}", invoice(id, shop.yesterday()))), "{report:?}");
    }
    assert_eq!(shop.paypal.capture_calls(), 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_order_that_was_never_paid_and_is_forgotten_is_made_anew(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("vault-1").await;
    shop.paypal.fault(Fault { step: Step::Capture, kind: FaultKind::CutBefore, times: 1 });
    shop.run().await;
    // As if the process had died before it sent the capture.
    shop.set("update celeriac.renewals set calls = 0 where subscription_id = $1", id).await;
    shop.paypal.forget_unpaid_orders();
    assert_eq!(shop.run().await.charged, 1);
    assert_eq!(shop.paypal.captured(&invoice(id, shop.yesterday())), ["20.00 USD"]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_subscription_cancelled_meanwhile_is_settled_if_it_paid_and_not_charged_if_it_had_not(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let paid = shop.subscribe("vault-1").await;
    shop.run_and_die_at(Step::Capture).await;
    let unpaid = shop.subscribe("vault-2").await;
    shop.paypal.fault(Fault { step: Step::Show, kind: FaultKind::Unavailable, times: 1 });
    shop.paypal.fault(Fault { step: Step::Capture, kind: FaultKind::CutBefore, times: 1 });
    assert_eq!(shop.run().await.unanswered.len(), 2);
    for id in [paid, unpaid] {
        shop.set("update celeriac.subscriptions set status = 'cancelled' where id = $1", id).await;
    }
    let report = shop.run().await;
    assert_eq!((report.charged, report.declined), (1, 1));
    assert_eq!(shop.renewal(paid).await["state"], "charged");
    assert_eq!(shop.renewal(unpaid).await["error"], "the subscription was no longer active, so it was not charged");
    assert_eq!(shop.subscription(unpaid).await["status"], "cancelled");
    assert_eq!(shop.paypal.captures().len(), 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_pending_payment_is_neither_settled_nor_charged_again_until_it_arrives(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = shop.subscribe("pending-1").await;
    for _ in 0..2 {
        let report = shop.run().await;
        assert_eq!((report.pending, report.charged), (1, 0));
        assert_eq!(shop.renewal(id).await["state"], "started");
    }
    shop.paypal.complete_pending();
    assert_eq!(shop.run().await.charged, 1);
    assert_eq!(shop.paypal.capture_calls(), 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn refused_credentials_end_the_run_with_the_settings_to_check(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for number in 0..3 {
        shop.subscribe(&format!("vault-{number}")).await;
    }
    let before = shop.paypal.calls();
    let wrong = renewing(&shop.pool, &shop.paypal.url(), "wrong", 100);
    let error = wrong.run(&ProcessRenewals::default()).await.unwrap_err();
    assert!(matches!(&error, RunError::NotAllowed(text) if text.contains("PAYPAL_CLIENT_SECRET")), "{error}");
    assert_eq!(shop.paypal.calls() - before, 1, "one refusal is enough");
    assert_eq!(shop.run().await.charged, 3);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_provider_that_is_down_ends_the_run_early_and_a_later_run_charges_all(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for number in 0..6 {
        shop.subscribe(&format!("vault-{number}")).await;
    }
    shop.paypal.fault(Fault { step: Step::Create, kind: FaultKind::Unavailable, times: 3 });
    assert_eq!(shop.run().await.unanswered.len(), 3);
    assert_eq!(shop.run().await.charged, 6);
    assert!(shop.paypal.captures().values().all(|times| *times == 1));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_run_charges_no_more_than_it_may_and_no_revoked_licence(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for number in 0..3 {
        shop.subscribe(&format!("vault-{number}")).await;
    }
    let revoked = shop.subscribe("vault-9").await;
    shop.set(
        "update celeriac.licenses set status = 'revoked' where id = (select license_id from celeriac.subscriptions where id = $1)",
        revoked,
    )
    .await;
    let bounded = Shop { renewing: renewing(&shop.pool, &shop.paypal.url(), CLIENT_SECRET, 2), ..shop };
    let report = bounded.run().await;
    assert_eq!((report.charged, report.left), (2, 1));
    assert_eq!(bounded.run().await.charged, 1);
    assert_eq!(bounded.run().await.charged, 0);
}

#[tokio::test]
async fn a_worker_killed_at_any_step_of_a_charge_is_followed_by_one_that_charges_once() {
    let mut system = System::start().await;
    let shop = Shop::open(system.pool.clone()).await;
    system.set("PAYPAL_BASE_URL", shop.paypal.url());
    system.set("PAYPAL_CLIENT_ID", CLIENT_ID);
    system.set("PAYPAL_CLIENT_SECRET", CLIENT_SECRET);
    let steps = ["renewals.started", "renewals.ordered", "renewals.captured", "renewals.settled"];
    let folder = system.folder().join("checkpoints");
    for (step, paid_when_killed) in steps.into_iter().zip([0, 0, 1, 1]) {
        for other in steps {
            std::fs::write(folder.join(format!("{other}.go")), b"").unwrap();
        }
        std::fs::remove_file(folder.join(format!("{step}.go"))).unwrap();
        let id = shop.subscribe("vault-1").await;
        let invoice = invoice(id, shop.yesterday());

        system.set("CELERIAC_CHECKPOINT_DIR", folder.display().to_string());
        let worker = system.worker();
        system.environment.remove("CELERIAC_CHECKPOINT_DIR");
        let job = system.client.enqueue(&ProcessRenewals::default()).await.unwrap();
        let reached = folder.join(format!("{step}.reached"));
        eventually(step, || async { if reached.exists() { Ok(()) } else { Err("not reached") } }).await;
        worker.kill();
        assert_eq!(shop.paypal.captured(&invoice).len(), paid_when_killed, "{step}");
        shop.paypal.forget_request_ids();

        let other = system.worker();
        eventually("the job's end", || async {
            let view = system.inspector().job(&job.queue, &job.id).await.map_err(|error| error.to_string())?;
            if view.state == State::Finished { Ok(()) } else { Err(format!("{:?}", view.state)) }
        })
        .await;
        assert_eq!(shop.paypal.captured(&invoice), ["20.00 USD"], "{step}");
        assert_eq!(shop.renewal(id).await["state"], "charged", "{step}");
        other.kill();
    }
    drop(shop);
    system.finish().await;
}
