//! What this machine and Redis can do at most, whatever the engine.

use std::time::Instant;

use anyhow::Result;

use crate::JOBS;
use crate::redis_server::raw;

/// The limit: a tight client that pops batches of 64 by Lua into an in-flight hash and lease set, and acknowledges the last batch in the same call.
pub(crate) async fn limit(round: usize) -> Result<f64> {
    let mut redis = raw().await?;
    let keys = ["ready", "payloads", "inflight", "leases"].map(|name| format!("limit{round}:{name}"));
    let payload = "x".repeat(200);
    for part in 0..JOBS / 500 {
        let mut pipe = redis::pipe();
        for n in 0..500 {
            let id = part * 500 + n;
            pipe.rpush(&keys[0], id).ignore().hset(&keys[1], id, &payload).ignore();
        }
        pipe.exec_async(&mut redis).await?;
    }
    let script = redis::Script::new(
        "if #ARGV > 0 then redis.call('HDEL', KEYS[3], unpack(ARGV)) redis.call('ZREM', KEYS[4], unpack(ARGV)) redis.call('HDEL', KEYS[2], unpack(ARGV)) end
         local ids = redis.call('LPOP', KEYS[1], 64)
         if not ids then return {} end
         local payloads = redis.call('HMGET', KEYS[2], unpack(ids))
         local held, leases = {}, {}
         for i, id in ipairs(ids) do
           held[#held + 1] = id held[#held + 1] = 'token'
           leases[#leases + 1] = 1 leases[#leases + 1] = id
         end
         redis.call('HSET', KEYS[3], unpack(held))
         redis.call('ZADD', KEYS[4], unpack(leases))
         return {ids, payloads}",
    );
    let begun = Instant::now();
    let mut last: Vec<String> = Vec::new();
    loop {
        let mut call = script.prepare_invoke();
        keys.iter().for_each(|key| {
            call.key(key);
        });
        call.arg(&last);
        let reply: redis::Value = call.invoke_async(&mut redis).await?;
        match redis::from_redis_value::<(Vec<String>, Vec<String>)>(reply) {
            Ok((ids, _)) => last = ids,
            Err(_) => break,
        }
    }
    Ok(JOBS as f64 / begun.elapsed().as_secs_f64())
}
