//! Deadlines and interrupts. A thread of the engine looks at running cells only when something is due: the end of a
//! cell's time, a signal that CPython has not yet seen, the end of a grace period, the end of a guest's wait.
//!
//! A cell is first asked: CPython's own signal flags are set in its memory, and TimeoutError or KeyboardInterrupt rises
//! in Python, where `finally:` blocks run. A guest that is still there after the grace period loses its memory.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

use crate::{
    cpu_clock::ThreadClock,
    guest_memory::{GuestMemory, Signal},
    limits::later,
    wasi::{Pause, Paused},
};

/// How long a raised signal may stay unseen before the flags are set again.
const REPEAT: Duration = Duration::from_millis(1);

/// The engine's thread for deadlines. Cheap to clone; the thread ends with the last clone.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    queue: Arc<(Mutex<Queue>, Condvar)>,
}

#[derive(Default)]
struct Queue {
    entries: BinaryHeap<Reverse<Entry>>,
    /// When the thread will look next by itself; None while it waits for a first entry.
    next: Option<Instant>,
    stopped: bool,
}

struct Entry {
    at: Instant,
    cell: Weak<RunningCell>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&self.queue.0).stopped = true;
        self.queue.1.notify_one();
    }
}

impl Watch {
    pub(crate) fn start() -> std::io::Result<Self> {
        let queue = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
        let watched = Arc::clone(&queue);
        thread::Builder::new().name("keelback-watch".into()).stack_size(256 << 10).spawn(move || watch(&watched))?;
        Ok(Watch(Arc::new(Inner { queue })))
    }

    /// Has `cell` looked at no later than at `at`.
    pub(crate) fn look_at(&self, cell: &Arc<RunningCell>, at: Instant) {
        if !cell.queue_at(at) {
            return;
        }
        let mut queue = lock(&self.0.queue.0);
        queue.entries.push(Reverse(Entry { at, cell: Arc::downgrade(cell) }));
        // With limits in the range of seconds this is rare: the thread will wake before `at` anyway.
        if queue.next.is_none_or(|next| at < next) {
            queue.next = Some(at);
            self.0.queue.1.notify_one();
        }
    }
}

fn watch(queue: &(Mutex<Queue>, Condvar)) {
    let mut guard = lock(&queue.0);
    while !guard.stopped {
        let now = Instant::now();
        let due = guard.entries.peek().is_some_and(|Reverse(entry)| entry.at <= now);
        if due {
            let Some(Reverse(entry)) = guard.entries.pop() else {
                continue;
            };
            drop(guard);
            let next = entry.cell.upgrade().and_then(|cell| cell.due(entry.at, now));
            guard = lock(&queue.0);
            if let Some(at) = next {
                guard.entries.push(Reverse(Entry { at, cell: entry.cell }));
            }
            continue;
        }
        guard.next = guard.entries.peek().map(|Reverse(entry)| entry.at);
        guard = match guard.next {
            Some(at) => queue.1.wait_timeout(guard, at - now).unwrap_or_else(PoisonError::into_inner).0,
            None => queue.1.wait(guard).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What ends a cell from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Interrupt,
    WallTime,
    CpuTime,
}

impl Cause {
    fn signal(self) -> Signal {
        match self {
            Cause::Interrupt => Signal::Interrupt,
            Cause::WallTime => Signal::WallTime,
            Cause::CpuTime => Signal::CpuTime,
        }
    }
}

/// The part of a session that other threads may touch.
pub(crate) struct RunningCell {
    state: Mutex<State>,
    /// Wakes the task whose guest waits in a host call.
    pub(crate) waker: AtomicWaker,
}

#[derive(Default)]
struct State {
    memory: Option<GuestMemory>,
    active: bool,
    deadline: Option<Instant>,
    cpu_limit: Option<Duration>,
    grace: Duration,
    cpu_used: Duration,
    segment: Option<(ThreadClock, Duration)>,
    fired: Option<(Cause, Instant)>,
    /// The first cause, kept for the report.
    first: Option<Cause>,
    /// Set with `fired`, taken by the host call that returns to the guest because of it.
    wake_guest: bool,
    revoked: bool,
    stop: bool,
    wake_at: Option<Instant>,
    /// The session idles: what tells that it is to end, shared with its handles.
    idle: Option<Arc<AtomicBool>>,
    idle_ends: bool,
    /// The time of the one entry in the watch's queue that counts; others are stale.
    queued: Option<Instant>,
}

/// What a cell used and what happened to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellEnd {
    pub(crate) cpu: Duration,
    pub(crate) cause: Option<Cause>,
    pub(crate) stopped: bool,
}

/// Why a wait ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A signal is pending: return to the guest, which looks at its signals.
    Signal,
    /// The grace period is over: end the guest.
    Stop,
}

impl RunningCell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(RunningCell { state: Mutex::default(), waker: AtomicWaker::new() })
    }

    /// The memory of the instance that will run the next cells, or None before it goes away.
    pub(crate) fn set_memory(&self, memory: Option<GuestMemory>) {
        let mut state = lock(&self.state);
        let before = std::mem::replace(&mut state.memory, memory);
        // A cell whose future was dropped has not ended.
        state.active = false;
        if std::mem::take(&mut state.revoked)
            && let Some(before) = before
        {
            before.restore();
        }
    }

    pub(crate) fn memory_grown(&self, len: usize) {
        if let Some(memory) = &mut lock(&self.state).memory {
            memory.grown(len);
        }
    }

    /// Starts a cell. Returns when it wants to be looked at first.
    pub(crate) fn begin(
        &self,
        wall_time: Option<Duration>,
        cpu_limit: Option<Duration>,
        grace: Duration,
    ) -> Option<Instant> {
        let mut state = lock(&self.state);
        let now = Instant::now();
        let deadline = wall_time.map(|limit| later(now, limit));
        let (memory, queued) = (state.memory.take(), state.queued);
        *state = State { memory, queued, active: true, deadline, cpu_limit, grace, ..State::default() };
        [deadline, cpu_limit.map(|limit| later(now, limit))].into_iter().flatten().min()
    }

    /// Ends a cell; no signal of it is left for the next.
    pub(crate) fn end(&self) -> CellEnd {
        let mut state = lock(&self.state);
        let revoked = std::mem::take(&mut state.revoked);
        state.active = false;
        state.deadline = None;
        let idle = state.idle.take().is_some();
        if let Some(memory) = &state.memory {
            if revoked {
                memory.restore();
            }
            if idle {
                memory.clear(Signal::Idle);
            }
            if state.fired.is_some() || state.first.is_some() {
                for cause in [Cause::Interrupt, Cause::WallTime, Cause::CpuTime] {
                    memory.clear(cause.signal());
                }
            }
        }
        let stopped = state.stop;
        CellEnd { cpu: state.cpu_used, cause: state.first, stopped }
    }

    /// The guest gets the CPU: called before each stretch of guest code on the thread that runs it.
    pub(crate) fn enter(&self) {
        let clock = ThreadClock::current();
        lock(&self.state).segment = Some((clock, clock.now()));
    }

    /// It no longer has it.
    pub(crate) fn leave(&self) {
        let mut state = lock(&self.state);
        if let Some((clock, start)) = state.segment.take() {
            state.cpu_used += clock.now().saturating_sub(start);
        }
    }

    /// Interrupts the cell that runs now. False when none does.
    pub(crate) fn interrupt(&self) -> bool {
        let mut state = lock(&self.state);
        if !state.active {
            return false;
        }
        self.fire(&mut state, Cause::Interrupt, Instant::now());
        true
    }

    /// Turns the cell that has begun into the idling of its session, which has no time limit. False when *ended* is set:
    /// there is nothing to run then.
    pub(crate) fn idle(&self, ended: &Arc<AtomicBool>) -> bool {
        let mut state = lock(&self.state);
        state.deadline = None;
        state.idle = Some(Arc::clone(ended));
        !ended.load(Ordering::SeqCst)
    }

    /// Ends the idling that *ended* belongs to, now or when it begins. True when it was under way.
    pub(crate) fn end_idle(&self, ended: &Arc<AtomicBool>) -> bool {
        // Before the lock: whoever begins to idle looks at it after.
        ended.store(true, Ordering::SeqCst);
        let mut state = lock(&self.state);
        let under_way = state.active && state.idle.as_ref().is_some_and(|idle| Arc::ptr_eq(idle, ended));
        if under_way {
            state.idle_ends = true;
            if let Some(memory) = &state.memory {
                memory.raise(Signal::Idle);
            }
            self.waker.wake();
        }
        under_way
    }

    /// Whether the guest is to come back from idling.
    pub(crate) fn idle_ends(&self) -> bool {
        lock(&self.state).idle_ends
    }

    /// Whether an interrupt or a limit waits for the guest to come back.
    pub(crate) fn is_interrupted(&self) -> bool {
        let state = lock(&self.state);
        state.stop || state.wake_guest
    }

    /// Whether a host call has to return to the guest now.
    pub(crate) fn woken(&self) -> Option<Woken> {
        let mut state = lock(&self.state);
        if state.stop {
            Some(Woken::Stop)
        } else if std::mem::take(&mut state.wake_guest) {
            Some(Woken::Signal)
        } else {
            None
        }
    }

    /// Has the waker called at `at`; the caller also asks the watch to look then.
    pub(crate) fn wake_at(&self, at: Instant) {
        lock(&self.state).wake_at = Some(at);
    }

    fn fire(&self, state: &mut State, cause: Cause, now: Instant) {
        state.fired = Some((cause, now));
        state.first.get_or_insert(cause);
        state.wake_guest = true;
        if let Some(memory) = &state.memory {
            memory.raise(cause.signal());
        }
        self.waker.wake();
    }

    /// False when the watch will look at `at` or earlier anyway.
    fn queue_at(&self, at: Instant) -> bool {
        let mut state = lock(&self.state);
        let earlier = state.queued.is_none_or(|queued| at < queued);
        if earlier {
            state.queued = Some(at);
        }
        earlier
    }

    /// The entry made for `at` has come up: does what is due; returns when to look again.
    fn due(&self, at: Instant, now: Instant) -> Option<Instant> {
        let mut state = lock(&self.state);
        if state.queued != Some(at) {
            return None;
        }
        state.queued = self.look(&mut state, now);
        state.queued
    }

    fn look(&self, state: &mut State, now: Instant) -> Option<Instant> {
        if !state.active {
            return None;
        }
        if state.wake_at.is_some_and(|at| at <= now) {
            state.wake_at = None;
            self.waker.wake();
        }
        if state.stop {
            // Host code may have got the memory back meanwhile: take it again.
            if let Some(memory) = &state.memory {
                memory.revoke();
            }
            self.waker.wake();
            return Some(now + REPEAT);
        }
        let mut repeat = None;
        if state.idle_ends
            && let Some(memory) = &state.memory
            && memory.is_pending(Signal::Idle)
        {
            memory.raise(Signal::Idle);
            repeat = Some(now + REPEAT);
        }
        if let Some((cause, at)) = state.fired {
            let pending = state.memory.as_ref().is_some_and(|memory| memory.is_pending(cause.signal()));
            if !pending && cause == Cause::Interrupt {
                // Seen. What a program makes of KeyboardInterrupt is its own affair.
                state.fired = None;
            } else if now >= later(at, state.grace) {
                state.stop = true;
                state.revoked = true;
                if let Some(memory) = &state.memory {
                    memory.revoke();
                }
                self.waker.wake();
                return Some(now + REPEAT);
            } else {
                if pending && let Some(memory) = &state.memory {
                    memory.raise(cause.signal());
                }
                let grace_end = later(at, state.grace);
                return Some(if pending { grace_end.min(now + REPEAT) } else { grace_end });
            }
        }
        if state.deadline.is_some_and(|deadline| deadline <= now) {
            self.fire(state, Cause::WallTime, now);
            return Some(now + REPEAT);
        }
        let mut next = state.deadline;
        if let Some(limit) = state.cpu_limit {
            let running = state.segment.map_or(Duration::ZERO, |(clock, start)| clock.now().saturating_sub(start));
            let used = state.cpu_used + running;
            if used >= limit {
                self.fire(state, Cause::CpuTime, now);
                return Some(now + REPEAT);
            }
            let at = later(now, (limit - used).max(REPEAT));
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        [next, state.wake_at, repeat].into_iter().flatten().min()
    }
}

/// Sleeps of a session's guest: whoever runs the cell is free meanwhile.
pub(crate) struct Sleeper {
    pub(crate) cell: Arc<RunningCell>,
    pub(crate) watch: Watch,
}

impl Pause for Sleeper {
    fn pause(&self, duration: Duration) -> Pin<Box<dyn Future<Output = Paused> + Send>> {
        let until = Instant::now().checked_add(duration);
        if let Some(until) = until
            && !duration.is_zero()
        {
            self.cell.wake_at(until);
            self.watch.look_at(&self.cell, until);
        }
        let cell = Arc::clone(&self.cell);
        Box::pin(std::future::poll_fn(move |cx| {
            cell.waker.register(cx.waker());
            match cell.woken() {
                Some(Woken::Signal) => Poll::Ready(Paused::Interrupted),
                Some(Woken::Stop) => Poll::Ready(Paused::Stopped),
                None if until.is_some_and(|until| until <= Instant::now()) => Poll::Ready(Paused::Elapsed),
                None => Poll::Pending,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_not_interrupted() {
        let cell = RunningCell::new();
        assert!(!cell.interrupt());
        cell.begin(None, None, Duration::ZERO);
        assert!(cell.interrupt());
        assert_eq!(cell.woken(), Some(Woken::Signal));
        assert_eq!(cell.end().cause, Some(Cause::Interrupt));
        assert!(!cell.interrupt());
    }

    #[test]
    fn a_deadline_ends_a_wait_and_then_the_cell() {
        let watch = Watch::start().expect("threads can be started");
        let cell = RunningCell::new();
        let at = cell.begin(Some(Duration::from_millis(5)), None, Duration::from_millis(5));
        watch.look_at(&cell, at.expect("there is a limit"));
        let sleeper = Sleeper { cell: Arc::clone(&cell), watch };
        assert_eq!(pollster::block_on(sleeper.pause(Duration::MAX)), Paused::Interrupted);
        assert_eq!(pollster::block_on(sleeper.pause(Duration::MAX)), Paused::Stopped);
        let end = cell.end();
        assert_eq!((end.cause, end.stopped), (Some(Cause::WallTime), true));
    }

    #[test]
    fn cpu_time_counts_only_between_enter_and_leave() {
        let cell = RunningCell::new();
        cell.begin(None, Some(Duration::from_secs(9)), Duration::ZERO);
        let clock = ThreadClock::current();
        let burn = || {
            let start = clock.now();
            while clock.now() - start < Duration::from_millis(3) {}
        };
        burn();
        cell.enter();
        burn();
        cell.leave();
        burn();
        let cpu = cell.end().cpu;
        assert!(cpu >= Duration::from_millis(3) && cpu < Duration::from_millis(6), "{cpu:?}");
    }
}
