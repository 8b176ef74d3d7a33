//! Many at once, over both handles.

use std::sync::Arc;

use companion::store::Store;
use tokio::sync::Barrier;

use crate::bench::Bench;

/// So many calls at the same moment, the handles by turns; their results in order.
pub async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    bench: &Bench,
    count: usize,
    call: impl Fn(usize, Arc<dyn Store>) -> F,
) -> Vec<T> {
    let start = Arc::new(Barrier::new(count));
    let calls: Vec<_> = (0..count)
        .map(|number| {
            let start = Arc::clone(&start);
            let call = call(number, bench.handle(number));
            tokio::spawn(async move {
                start.wait().await;
                call.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    results
}
