//! The model's address: reachable, and the key accepted. Only when asked for, as it leaves this network.

use std::time::Duration;

use celeriac_process::Settings;
use secrecy::ExposeSecret;

use super::Finding;

const ABOUT: &str = "openai";

pub(super) async fn check(settings: &Settings, wanted: bool) -> Vec<Finding> {
    let (true, Some(base)) = (wanted, settings.maybe("OPENAI_BASE_URL")) else { return Vec::new() };
    vec![ask(base.trim_end_matches('/'), settings).await]
}

/// Lists the models: free, and answered only to a valid key.
async fn ask(base: &str, settings: &Settings) -> Finding {
    celeriac_process::connect::install_tls();
    let client = match reqwest::Client::builder().timeout(Duration::from_secs(10)).build() {
        Ok(client) => client,
        Err(error) => return Finding::problem(ABOUT, format!("no HTTP client can be made: {error}"), "see the system's certificates"),
    };
    let mut request = client.get(format!("{base}/models"));
    if let Some(key) = settings.maybe_secret("OPENAI_API_KEY") {
        request = request.bearer_auth(key.expose_secret());
    }
    match request.send().await.map(|answer| answer.status().as_u16()) {
        Ok(401 | 403) => Finding::problem(ABOUT, format!("{base} refuses OPENAI_API_KEY"), "put a valid key into OPENAI_API_KEY"),
        Ok(status @ 500..) => Finding::warning(ABOUT, format!("{base} answers with {status}"), "see the provider's status page"),
        Ok(status @ (200..300 | 404 | 405)) => Finding::ok(ABOUT, format!("{base} answers ({status})")),
        Ok(status) => Finding::warning(ABOUT, format!("{base} answers with {status}"), "see whether OPENAI_BASE_URL is right"),
        Err(error) => Finding::problem(
            ABOUT,
            format!("{base} cannot be reached: {:#}", anyhow::Error::from(error.without_url())),
            "see OPENAI_BASE_URL, and whether this machine may reach it",
        ),
    }
}
