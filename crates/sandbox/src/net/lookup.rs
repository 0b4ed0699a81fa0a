//! Look-ups of names: several at a time, on threads of their own, for whoever asks again until they are done.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Instant,
};

use futures_util::task::AtomicWaker;
use keelback_session::Value;

use super::{Net, NetError, grant};
use crate::limits::later;

/// Gives the addresses of a name; it may block.
pub(crate) type Resolver = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

pub(crate) fn system(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// How many threads a session's look-ups have at most, also for those that nobody waits for any more: a look-up cannot be
/// stopped. A choice.
const THREADS_MAX: usize = 8;

/// One look-up.
pub(super) struct Lookup {
    name: String,
    answer: Arc<Answer>,
    pub(super) deadline: Instant,
}

#[derive(Default)]
struct Answer {
    found: Mutex<Option<io::Result<Vec<IpAddr>>>>,
    waker: AtomicWaker,
}

impl Lookup {
    /// Whether asking again would tell something; else the task is woken when it would.
    pub(super) fn is_ready(&self, cx: &Context<'_>) -> bool {
        self.answer.waker.register(cx.waker());
        lock(&self.answer.found).is_some() || self.deadline <= Instant::now()
    }
}

/// The threads of one session's look-ups, and what waits for one.
#[derive(Clone, Default)]
pub(super) struct Lookups(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(String, Weak<Answer>)>,
    threads: usize,
}

impl Lookups {
    fn start(&self, resolver: &Resolver, name: String, deadline: Instant) -> Lookup {
        let answer = Arc::<Answer>::default();
        let mut queue = lock(&self.0);
        queue.waiting.push_back((name.clone(), Arc::downgrade(&answer)));
        if queue.threads < THREADS_MAX {
            queue.threads += 1;
            let (lookups, resolver) = (self.clone(), Arc::clone(resolver));
            blocking::unblock(move || lookups.work(&resolver)).detach();
        }
        Lookup { name, answer, deadline }
    }

    fn work(&self, resolver: &Resolver) {
        loop {
            let (name, answer) = {
                let mut queue = lock(&self.0);
                // Those that were given up are not looked up.
                queue.waiting.retain(|(_, answer)| answer.strong_count() > 0);
                let Some(next) = queue.waiting.pop_front() else {
                    queue.threads -= 1;
                    return;
                };
                next
            };
            let panicked = |_| Err(io::Error::other("the resolver panicked"));
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| resolver(&name)));
            let found = found.unwrap_or_else(panicked);
            if let Some(answer) = answer.upgrade() {
                *lock(&answer.found) = Some(found);
                answer.waker.wake();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Net {
    /// The addresses of a name. `handle` stands for the look-up until it is done or closed; None is the one that the
    /// guest stands still for.
    pub(super) fn resolve(
        &mut self,
        handle: Option<i64>,
        text: &str,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Value, NetError>> {
        let Some(name) = grant::host_name(text) else {
            return Poll::Ready(Err(NetError::Lookup(format!("`{text}` is no host name"))));
        };
        if self.lookups.get(&handle).is_none_or(|lookup| lookup.name != name) {
            if !grant::may_resolve(&self.options.grants, &name) {
                return Poll::Ready(Err(NetError::Denied(format!("network: `{name}` is not granted"))));
            }
            if handle.is_some()
                && !self.lookups.contains_key(&handle)
                && let Err(error) = self.room(self.lookups.keys().flatten().count())
            {
                return Poll::Ready(Err(error));
            }
            let deadline = later(Instant::now(), self.options.connect_time);
            let lookup = self.threads.start(&self.options.resolver, name.clone(), deadline);
            self.lookups.insert(handle, lookup);
        }
        let Some(lookup) = self.lookups.get(&handle) else { return Poll::Pending };
        if !lookup.is_ready(cx) {
            return Poll::Pending;
        }
        let found = lock(&lookup.answer.found).take();
        self.lookups.remove(&handle);
        Poll::Ready(match found {
            None => self.too_slow(&format!("looking up `{text}`")),
            Some(Ok(mut found)) => {
                let mut seen = Vec::new();
                found.retain(|address| {
                    !seen.contains(address) && {
                        seen.push(*address);
                        true
                    }
                });
                for address in &found {
                    self.remember(address.to_canonical(), &name);
                }
                Ok(Value::List(found.iter().map(|address| Value::Str(address.to_string())).collect()))
            }
            Some(Err(_)) => Err(NetError::Lookup("Name or service not known".into())),
        })
    }
}
