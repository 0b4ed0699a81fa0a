//! Which connections are ready for what: the waits of `select` and of the guest's event loop.

use std::{task::Context, time::Instant};

use keelback_session::{Limit, Value};
use rustix::{
    event::{PollFd, PollFlags},
    fd::AsFd,
};

use super::{Net, NetError, connection::Socket};

/// Bits of what a socket is waited for.
const READ: i64 = 1;
const WRITE: i64 = 2;

/// How many sockets one request may name.
const SOCKETS_MAX: usize = 1 << 10;

impl Net {
    /// Which of the sockets are ready for what; the task is woken when one is.
    pub(crate) fn ready(&mut self, interests: &[(i64, i64)], cx: &mut Context<'_>) -> Vec<(i64, i64)> {
        loop {
            let ready = self.ready_now(interests, cx);
            if !ready.is_empty() {
                return ready;
            }
            let mut again = false;
            for (fd, mask) in interests {
                if let Some(connection) = self.connections.get_mut(fd) {
                    again |= connection.register(cx, mask & READ != 0, mask & WRITE != 0);
                }
            }
            if !again {
                return ready;
            }
        }
    }

    fn ready_now(&mut self, interests: &[(i64, i64)], cx: &mut Context<'_>) -> Vec<(i64, i64)> {
        let now = Instant::now();
        let limit = Limit::ConnectTime(self.options.connect_time);
        let mut ready = Vec::new();
        for (fd, mask) in interests {
            if let Some(lookup) = self.lookups.get(&Some(*fd)) {
                if mask & READ != 0 && lookup.is_ready(cx) {
                    ready.push((*fd, READ));
                }
                continue;
            }
            let Some(connection) = self.connections.get_mut(fd) else {
                ready.push((*fd, *mask)); // whatever is tried on it fails at once
                continue;
            };
            if connection.is_connecting() {
                match connection.connected(cx) {
                    Ok(None) if connection.connect_deadline <= now => {
                        let text = format!("connecting to `{}` took all {limit}", connection.name);
                        connection.fail(NetError::Limited(text));
                        self.limit_hit = Some(limit);
                    }
                    Ok(_) => {}
                    Err(error) => connection.fail(error), // for `error` to tell
                }
            }
            let _ = connection.flush();
            let mut found = 0;
            if connection.buffered() > 0 {
                found |= READ;
            }
            match &connection.socket {
                Socket::Connecting(_) => {}
                Socket::Failed | Socket::Memory { .. } => found |= READ | WRITE,
                Socket::Tcp(stream) => {
                    let mut poll = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN | PollFlags::OUT)];
                    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
                    let _ = rustix::event::poll(&mut poll, Some(&now));
                    let events = poll[0].revents();
                    let ended = events.intersects(PollFlags::HUP | PollFlags::ERR);
                    found |= if events.contains(PollFlags::IN) || ended { READ } else { 0 };
                    let room = !connection.unsent();
                    found |= if events.contains(PollFlags::OUT) && room || ended { WRITE } else { 0 };
                }
            }
            if found & mask != 0 {
                ready.push((*fd, found & mask));
            }
        }
        ready
    }
}

/// `(handle, bits)` pairs of a request.
pub(crate) fn interests(value: Option<&Value>) -> Vec<(i64, i64)> {
    let Some(Value::List(items)) = value else { return Vec::new() };
    let pair = |item: &Value| match item {
        Value::Tuple(pair) => match pair.as_slice() {
            [Value::Int(fd), Value::Int(mask)] => Some((*fd, mask & (READ | WRITE))),
            _ => None,
        },
        _ => None,
    };
    items.iter().take(SOCKETS_MAX).filter_map(pair).collect()
}

/// The response to a wait for sockets.
pub(crate) fn pairs(ready: Vec<(i64, i64)>) -> impl Iterator<Item = Value> {
    ready.into_iter().map(|(fd, mask)| Value::Tuple(vec![Value::Int(fd), Value::Int(mask)]))
}
