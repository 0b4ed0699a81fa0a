//! What all pages see alike: the tasks, what the program prints, and its end.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use keelback_wire::{event::Body, reply::TaskList};
use serde::Serialize;
use tokio::sync::{Notify, broadcast, watch};

use super::{Application, Seen};

/// How often the tasks are asked for while a page is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Bytes of output that a page which opens is shown; a choice.
const PRINTED_MAX: usize = 256 << 10;
/// News that wait for a page before it misses some; a choice.
const NEWS_MAX: usize = 1024;

/// A message to pages, as JSON.
pub(super) type Message = Arc<str>;

/// See the module.
pub(super) struct Hub<A> {
    pub(super) application: A,
    news: broadcast::Sender<Message>,
    known: Mutex<Known>,
    /// How many pages are open.
    open: watch::Sender<usize>,
    /// How many of them are looked at.
    watching: watch::Sender<usize>,
    /// Ask for the tasks now.
    again: Notify,
    gone: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Known {
    printed: VecDeque<Message>,
    printed_bytes: usize,
    tasks: Option<(Tasks, Instant)>,
}

/// The list of the tasks, or why there is none.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename = "tasks")]
struct Tasks {
    #[serde(flatten)]
    list: TaskList,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Tasks {
    /// As they are so much later, if nothing else has changed.
    fn later(&self, time: Duration) -> Tasks {
        let mut tasks = self.clone();
        for task in &mut tasks.list.tasks {
            task.age_s += time.as_secs_f64();
            task.age_max_s = task.age_max_s.map(|age| age + time.as_secs_f64());
        }
        tasks
    }

    /// Without ages, which change all the time; pages count on.
    fn ageless(&self) -> Tasks {
        let mut tasks = self.clone();
        for task in &mut tasks.list.tasks {
            (task.age_s, task.age_max_s) = (0.0, None);
        }
        tasks
    }
}

/// Counts until it is dropped.
pub(super) struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl<A: Application> Hub<A> {
    /// Begins to listen to the program.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn start(application: A) -> Result<Arc<Self>, String> {
        let hub = Arc::new(Hub {
            application,
            news: broadcast::Sender::new(NEWS_MAX),
            known: Mutex::default(),
            open: watch::Sender::default(),
            watching: watch::Sender::default(),
            again: Notify::new(),
            gone: watch::Sender::default(),
        });
        let weak = Arc::downgrade(&hub);
        hub.application.watch(Box::new(move |seen| {
            if let Some(hub) = weak.upgrade() {
                hub.see(seen);
            }
        }))?;
        Ok(hub)
    }

    fn see(&self, seen: Seen) {
        match seen {
            Seen::Event(body) => {
                let Some(message) = json(&body) else { return };
                let mut known = self.known();
                if matches!(body, Body::Out(_)) {
                    known.print(&message);
                }
                // Nobody may listen. Sent with the lock held: see `subscribe`.
                let _ = self.news.send(message);
            }
            Seen::Gone(reason) => self.end(&reason),
        }
    }

    /// Tells all pages that it is over, and why.
    pub(super) fn end(&self, reason: &str) {
        self.gone.send_modify(|gone| {
            gone.get_or_insert_with(|| reason.to_owned());
        });
    }

    /// What is known, and what comes after that.
    pub(super) fn subscribe(&self) -> (Vec<Message>, broadcast::Receiver<Message>) {
        let known = self.known();
        let tasks = known.tasks.as_ref().and_then(|(tasks, asked)| json(&tasks.later(asked.elapsed())));
        (known.printed.iter().cloned().chain(tasks).collect(), self.news.subscribe())
    }

    /// Why the program is gone, as soon as it is.
    pub(super) async fn gone(&self) -> String {
        let mut gone = self.gone.subscribe();
        match gone.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => String::new(), // it lives as long as the hub
        }
    }

    /// A page is open.
    pub(super) fn open(&self) -> Counted {
        Counted::new(&self.open)
    }

    /// Somebody looks at a page.
    pub(super) fn watch(&self) -> Counted {
        Counted::new(&self.watching)
    }

    /// No page is open.
    pub(super) async fn all_left(&self) {
        let _ = self.open.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Cancels a task.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn cancel(&self, task: u64) -> Result<(), String> {
        self.application.cancel(task)?;
        self.again.notify_one();
        Ok(())
    }

    /// Asks for the tasks while somebody looks, and tells when more than their ages has changed.
    pub(super) async fn follow_tasks(self: Arc<Self>) {
        let mut watching = self.watching.subscribe();
        loop {
            let _ = watching.wait_for(|count| *count > 0).await;
            let hub = Arc::clone(&self);
            let Ok(answer) = tokio::task::spawn_blocking(move || hub.application.tasks()).await else { return };
            self.tell_tasks(answer);
            let _ = tokio::time::timeout(PERIOD, self.again.notified()).await;
        }
    }

    fn tell_tasks(&self, answer: Result<TaskList, String>) {
        let (list, failure) = match answer {
            Ok(list) => (list, None),
            Err(failure) => (TaskList::default(), Some(failure)),
        };
        let tasks = Tasks { list, failure };
        let Some(message) = json(&tasks) else { return };
        let mut known = self.known();
        let is_told = known.tasks.as_ref().is_some_and(|(told, _)| told.ageless() == tasks.ageless());
        known.tasks = Some((tasks, Instant::now()));
        if !is_told {
            let _ = self.news.send(message);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn print(&mut self, message: &Message) {
        self.printed_bytes += message.len();
        self.printed.push_back(Arc::clone(message));
        while self.printed_bytes > PRINTED_MAX && self.printed.len() > 1 {
            self.printed_bytes -= self.printed.pop_front().map_or(0, |first| first.len());
        }
    }
}

/// None never happens to messages that are plain data.
pub(super) fn json(message: &impl Serialize) -> Option<Message> {
    serde_json::to_string(message).ok().map(Message::from)
}

#[cfg(test)]
mod tests {
    use keelback_wire::reply::TaskInfo;

    use super::*;

    fn tasks(name: &str, age_s: f64, age_max_s: Option<f64>) -> Tasks {
        let task = TaskInfo { id: 1, name: name.into(), age_s, age_max_s, ..TaskInfo::default() };
        Tasks { list: TaskList { tasks: vec![task], more: false }, failure: None }
    }

    #[test]
    fn tasks_that_have_only_grown_older_are_no_news() {
        let before = tasks("a", 1.0, Some(1.5));
        assert!(before.ageless() == tasks("a", 3.0, Some(3.5)).ageless());
        assert!(before.ageless() != tasks("b", 1.0, Some(1.5)).ageless());
        assert!(before.later(Duration::from_secs(2)) == tasks("a", 3.0, Some(3.5)));
        assert!(tasks("a", 1.0, None).later(Duration::from_secs(2)) == tasks("a", 3.0, None));
    }
}
