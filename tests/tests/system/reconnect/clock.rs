//! The clock of Redis is set. All moments are stored by that clock and read by no other, so a step of the clock is a step of all that is
//! stored the other way.

use celeriac_ops::devstack::Persistence;

use super::scene::Scene;

const HOUR_MS: i64 = 3_600_000;

const STEP: &str = "
for i = 1, 3 do
  local moments = redis.call('ZRANGE', KEYS[i], 0, -1, 'WITHSCORES')
  for at = 1, #moments, 2 do redis.call('ZADD', KEYS[i], moments[at + 1] - ARGV[1], moments[at]) end
end
return redis.call('HINCRBY', KEYS[4], 'touched', -ARGV[1])";

async fn stepped(by_ms: i64) {
    let scene = Scene::start(Persistence::Nothing, 2, "2s", 5_000).await;
    let prefix = &scene.system.environment["REDIS_PREFIX"];
    let mut line = scene.system.raw_redis().await;
    let mut step = redis::cmd("EVAL");
    step.arg(STEP).arg(4);
    for key in ["running", "scheduled", "notices", "meta"] {
        step.arg(format!("{prefix}:{{default}}:{key}"));
    }
    let _: i64 = step.arg(by_ms).query_async(&mut line).await.unwrap();
    scene.goes_on().await;
    scene.all_well(0, 0).await;
}

#[tokio::test]
async fn a_clock_set_forward_makes_nothing_run_twice() {
    stepped(HOUR_MS).await;
}

#[tokio::test]
async fn a_clock_set_back_makes_nothing_run_twice_and_keeps_nothing_waiting() {
    stepped(-HOUR_MS).await;
}
