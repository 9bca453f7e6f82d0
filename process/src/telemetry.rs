//! Logs and Sentry, set up once at the start of a process.

use anyhow::Context;
use sentry::integrations::tracing::{BreadcrumbLayer, ErrorLayer, SpanLayer};
use sentry::protocol::Event;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::json_log::{Fields, JsonLines};
use crate::{Process, Settings};

/// Keeps Sentry alive; dropped at the end of `main`, it sends what is left within two seconds.
pub struct Telemetry {
    _sentry: Option<sentry::ClientInitGuard>,
}

/// Begins to log to standard error, and to report to Sentry when SENTRY_DSN is set and DEBUG is not.
///
/// # Errors
/// When LOG_LEVEL is not a filter or a subscriber was installed before.
pub fn init(settings: &Settings, process: Process) -> anyhow::Result<Telemetry> {
    crate::connect::install_tls();
    let filter: EnvFilter = settings.text("LOG_LEVEL").parse().context("LOG_LEVEL cannot be used, for example LOG_LEVEL=info")?;
    // async-openai logs the bodies it cannot parse, and those may quote a document.
    let filter = filter.add_directive("async_openai=off".parse().expect("a valid directive"));
    let guard = start_sentry(settings, process);
    let text = settings.text("LOG_FORMAT") == "text";
    let for_people = text.then(|| tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    let for_machines =
        (!text).then(|| tracing_subscriber::fmt::layer().fmt_fields(Fields).event_format(JsonLines).with_writer(std::io::stderr));
    let reports = guard.is_some().then(|| {
        let spans = SpanLayer::new().with_filter(LevelFilter::INFO);
        let crumbs = BreadcrumbLayer::new().with_filter(LevelFilter::INFO);
        spans.and_then(crumbs).and_then(ErrorLayer::new().with_filter(LevelFilter::ERROR))
    });
    let subscriber = tracing_subscriber::registry().with(reports).with(for_people).with(for_machines).with(filter);
    subscriber.try_init().context("logging was set up before")?;
    Ok(Telemetry { _sentry: guard })
}

fn start_sentry(settings: &Settings, process: Process) -> Option<sentry::ClientInitGuard> {
    let dsn = settings.maybe("SENTRY_DSN").filter(|_| !settings.flag("DEBUG"))?;
    let release = settings.maybe("RELEASE").map_or_else(|| format!("celeriac@{}", env!("CARGO_PKG_VERSION")), str::to_owned);
    let options = sentry::ClientOptions::new()
        .release(release)
        .environment(settings.text("SENTRY_ENVIRONMENT").to_owned())
        .traces_sample_rate(settings.text("SENTRY_TRACES_SAMPLE_RATE").parse().unwrap_or(0.0))
        .send_default_pii(false)
        .before_send(|event| Some(without_personal_data(event)));
    let guard = sentry::init((dsn, options));
    sentry::configure_scope(|scope| scope.set_tag("process", format!("{process:?}").to_lowercase()));
    Some(guard)
}

/// What an event never carries: the host's user, request bodies, and the values of breadcrumbs.
fn without_personal_data(mut event: Event<'static>) -> Event<'static> {
    event.user = None;
    event.request = None;
    event.server_name = None;
    for crumb in &mut event.breadcrumbs.values {
        crumb.data.clear();
    }
    event
}
