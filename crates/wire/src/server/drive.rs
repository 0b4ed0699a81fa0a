//! The server's thread: waits for sockets, the application and deadlines, and moves bytes.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    core::{ClientId, Core, Peer},
    inbox::{Inbox, Sleep},
    listen::{Kind, Listener},
    own::{descriptors::Descriptors, peer},
    transport::{Taken, Transport},
};
use crate::system::{UnixStream, Waker};

/// How long printed text, or that a cell begins, may wait for what comes next: the end of a short cell, more text. A thread
/// that prints in a loop wakes the server once in this time.
const DOZE: Duration = Duration::from_millis(1);

/// How long the end of a cell is looked for without sleeping, where the last one took less than `QUICK`: to wake a thread
/// costs more than such a cell. Both are choices; a processor that is idle takes some 50 us to wake.
const SPIN: Duration = Duration::from_micros(150);
const QUICK: Duration = Duration::from_micros(100);

/// Others want the processor when it comes back so late, and probably do during the next `UNSPUN` cells.
const YIELDED: Duration = Duration::from_micros(30);
const UNSPUN: u32 = 50;

/// How long no connection is accepted after the process ran out of descriptors: the listener would stay readable.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The most bytes read of one connection before the others have their turn.
const READ_MAX: usize = 64 << 10;

pub(super) struct Driver {
    pub(super) core: Core,
    pub(super) inbox: Arc<Inbox>,
    pub(super) woken: Waker,
    pub(super) listeners: Vec<Listener>,
    pub(super) transports: BTreeMap<ClientId, Transport>,
    pub(super) descriptors: Arc<Descriptors>,
    /// Listeners wait until then.
    pub(super) accept_at: Option<Instant>,
    /// For how many cells others are likely to want the processor.
    pub(super) cells_unspun: u32,
}

/// What a descriptor is ready for, in the order of [`Driver::wait`].
struct Ready {
    woken: bool,
    listeners: Vec<bool>,
    clients: Vec<(ClientId, PollFlags)>,
}

impl Driver {
    /// Serves until the inbox says stop.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; READ_MAX];
        let mut doze_until = None;
        loop {
            let now = Instant::now();
            let told = self.inbox.take();
            if told.stop {
                break;
            }
            let goes_on = told.goes_on();
            self.core.hear(told, now);
            self.core.tick(now);
            let submitted = self.core.take_submitted();
            if goes_on || submitted {
                doze_until = Some(now + DOZE);
            }
            self.flush(now);
            doze_until = doze_until.filter(|until| *until > now);
            self.accept_at = self.accept_at.filter(|at| *at > now);
            if submitted && self.core.last_took() < QUICK && self.spin() {
                continue;
            }
            let how = if doze_until.is_some() { Sleep::Dozing } else { Sleep::Asleep };
            if !self.inbox.sleep(how) {
                continue;
            }
            let until = [self.core.next_deadline(), doze_until, self.accept_at].into_iter().flatten().min();
            match self.wait(until) {
                Ok(ready) => self.serve(&ready, &mut buffer),
                Err(error) => {
                    self.core.warn(format!("the server cannot wait for its sockets: {error}"));
                    break;
                }
            }
        }
        let now = Instant::now();
        self.core.shut_down(now);
        self.flush(now);
    }

    /// Looks for something urgent for a while. False if there is nothing, or if others want the processor: a thread that
    /// sleeps gets it back sooner than one that has yielded it.
    fn spin(&mut self) -> bool {
        if self.cells_unspun > 0 {
            self.cells_unspun -= 1;
            return false;
        }
        let mut looked = Instant::now();
        let end = looked + SPIN;
        while !self.inbox.is_urgent() {
            thread::yield_now();
            let now = Instant::now();
            if now - looked > YIELDED {
                self.cells_unspun = UNSPUN;
                break;
            }
            if now > end {
                break;
            }
            looked = now;
        }
        self.inbox.is_urgent()
    }

    /// Sends what there is to send, as far as it goes, and closes what is done.
    fn flush(&mut self, now: Instant) {
        let mut gone = Vec::new();
        for (&client, transport) in &mut self.transports {
            loop {
                self.core.pump(client, now);
                let Some(output) = self.core.output(client) else { break };
                let before = output.waiting().len();
                if transport.write(output).is_err() {
                    gone.push(client);
                    break;
                }
                // When all went, there may be more in the rings.
                if before == 0 || !output.waiting().is_empty() {
                    break;
                }
            }
            if self.core.is_done(client, !transport.wants_write()) {
                gone.push(client);
            }
        }
        for client in gone {
            self.close(client, now);
        }
    }

    fn close(&mut self, client: ClientId, now: Instant) {
        if let Some(mut transport) = self.transports.remove(&client) {
            transport.close();
            self.descriptors.remove(&transport);
        }
        self.core.gone(client, now);
    }

    /// Waits until something is ready or it is `until`.
    fn wait(&mut self, until: Option<Instant>) -> io::Result<Ready> {
        let mut until = until;
        let mut wanted = Vec::with_capacity(self.transports.len());
        for (&client, transport) in &mut self.transports {
            let mut flags = PollFlags::empty();
            if self.core.reads(client) {
                flags |= PollFlags::IN;
                if transport.has_more() {
                    until = Some(Instant::now());
                }
            }
            let has_output = self.core.output(client).is_some_and(|output| !output.waiting().is_empty());
            flags.set(PollFlags::OUT, has_output && transport.takes_output() || transport.wants_write());
            wanted.push(flags);
        }
        let accepts = if self.accept_at.is_none() { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        fds.extend(self.listeners.iter().map(|listener| PollFd::new(listener, accepts)));
        fds.extend(self.transports.values().zip(wanted).map(|(transport, flags)| PollFd::new(transport, flags)));
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let found: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        let (listeners, clients) = found[1..].split_at(self.listeners.len());
        Ok(Ready {
            woken: !found[0].is_empty(),
            listeners: listeners.iter().map(|flags| !flags.is_empty()).collect(),
            clients: self.transports.keys().copied().zip(clients.iter().copied()).collect(),
        })
    }

    fn serve(&mut self, ready: &Ready, buffer: &mut [u8]) {
        if ready.woken {
            let _ = self.woken.read(buffer);
        }
        for (client, flags) in &ready.clients {
            self.read(*client, *flags, buffer);
        }
        for (index, is_ready) in ready.listeners.iter().enumerate() {
            if *is_ready {
                self.accept(index);
            }
        }
    }

    fn read(&mut self, client: ClientId, flags: PollFlags, buffer: &mut [u8]) {
        let now = Instant::now();
        let Some(transport) = self.transports.get_mut(&client) else { return };
        let reads = self.core.reads(client);
        if flags.intersects(PollFlags::HUP | PollFlags::ERR) && !reads {
            // Nobody is there for the answers, and polling would not wait any more.
            return self.close(client, now);
        }
        let is_ready = flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        if !reads || !(is_ready || transport.has_more()) {
            return;
        }
        match transport.read(buffer) {
            Ok(Taken::Bytes(count)) => self.core.receive(client, &buffer[..count], now),
            Ok(Taken::Nothing) => {}
            Ok(Taken::End) => self.core.end_of_input(client, now),
            Err(_) => self.close(client, now),
        }
    }

    /// Accepts all who wait.
    fn accept(&mut self, index: usize) {
        let now = Instant::now();
        loop {
            let accepted = match &self.listeners[index].kind {
                Kind::Unix(listener, _) => listener.accept().map(|(stream, _)| admit_unix(stream)),
                Kind::Tcp(listener, config, key) => listener.accept().map(|(stream, address)| {
                    let peer = Peer { name: address.to_string(), token: Some(key.token().clone()), plain: false };
                    Ok((peer, Transport::tls(stream, config).map_err(|error| format!("{address}: {error}"))?))
                }),
            };
            match accepted {
                Ok(Ok((peer, transport))) => {
                    if let Some(client) = self.core.connect(peer, now) {
                        self.descriptors.add(&transport);
                        self.transports.insert(client, transport);
                    }
                }
                Ok(Err(why)) => self.core.refused(why),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    self.core.warn(format!("cannot accept a connection: {error}"));
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for transport in self.transports.values_mut() {
            transport.close();
            self.descriptors.remove(&*transport);
        }
        for listener in &self.listeners {
            if let Kind::Unix(_, file) = &listener.kind {
                file.remove();
            }
            self.descriptors.remove(listener);
        }
        self.descriptors.remove(&self.woken);
    }
}

/// Lets a peer in, or says why not. Nothing is read before.
fn admit_unix(stream: UnixStream) -> Result<(Peer, Transport), String> {
    let broken = |error: io::Error| format!("a connection that broke: {error}");
    let name = peer::admit(&stream).map_err(broken)??;
    stream.set_nonblocking(true).map_err(broken)?;
    Ok((Peer { name, token: None, plain: true }, Transport::Unix(stream)))
}

fn timespec(duration: Duration) -> Timespec {
    // Rounded up: a deadline that is found early would be waited for again.
    let duration = duration + Duration::from_micros(1);
    Timespec { tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos() as _ }
}
