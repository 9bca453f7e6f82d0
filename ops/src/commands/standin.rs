//! `celeriac openai-stub` and `celeriac paypal-stub`: the local stand-ins, each as a process of its own.

use clap::Args;
use serde_json::json;

use crate::out::announce;
use crate::reply::Reply;
use crate::standin::{openai, paypal};

#[derive(Debug, Args)]
pub(crate) struct OpenaiStub {
    #[command(flatten)]
    arguments: openai::StubArgs,
}

impl OpenaiStub {
    pub(crate) async fn run(self) -> anyhow::Result<Reply> {
        openai::run(self.arguments).await?;
        Ok(Reply::of(&json!({ "stopped": true })))
    }
}

#[derive(Debug, Args)]
pub(crate) struct PaypalStub {
    #[command(flatten)]
    arguments: paypal::StubArgs,
}

impl PaypalStub {
    pub(crate) async fn run(self) -> anyhow::Result<Reply> {
        let stub = self.arguments.start().await?;
        announce(&format!(
            "PAYPAL_BASE_URL={} PAYPAL_CLIENT_ID={} PAYPAL_CLIENT_SECRET={}",
            stub.url(),
            paypal::CLIENT_ID,
            paypal::CLIENT_SECRET
        ));
        stub.wait().await;
        Ok(Reply::of(&json!({ "stopped": true })))
    }
}
