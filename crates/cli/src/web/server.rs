//! The HTTP server, from its start to Ctrl-C or the end of the program.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    http::{Method, Response},
    response::IntoResponse,
};
use tokio::{net::TcpListener, sync::Notify};

use super::{
    Application, Options, Shared, browser, files,
    guard::{Guard, Wants, secret},
    hub::Hub,
    tab,
    terminals::Terminals,
};
use crate::system;

/// Bytes of one message of a page: a text that was edited, keys in pieces of 64 KiB.
const MESSAGE_MAX: usize = 1 << 20;
/// How long pages are waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves pages until Ctrl-C (0) or until the program is gone (1); the exit status.
pub(crate) fn run<A: Application>(application: A, options: Options) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
        let listener = listener.with_context(|| format!("cannot listen on 127.0.0.1:{}", options.port))?;
        let about = application.about();
        let (shared, url) = prepare(application, &listener)?;
        writeln!(io::stdout(), "{} ({}) is at\n{url}\nfor one browser; Ctrl-C ends.", about.program, about.pid)?;
        offer_more(Arc::clone(&shared))?;
        // Kept until the end: the browser reads it in its own time. Where there is none, the URL is printed above.
        let _page = options.open.then(|| browser::open(&url).ok());
        serve(listener, shared, ctrl_c()).await
    });
    runtime.shutdown_background();
    result
}

/// The secrets of a server on `listener`, what it shares with pages, and its URL.
pub(super) fn prepare<A: Application>(application: A, listener: &TcpListener) -> Result<(Arc<Shared<A>>, String)> {
    let guard = Guard::new(listener.local_addr()?.port())?;
    let url = guard.renew()?;
    let hub = Hub::start(application).map_err(|message| anyhow!("{message}"))?;
    Ok((Arc::new(Shared { guard, hub, terminals: Terminals::default() }), url))
}

/// Serves until `stop` is done or the program is gone; the exit status.
pub(super) async fn serve<A: Application>(
    listener: TcpListener,
    shared: Arc<Shared<A>>,
    stop: impl Future<Output = ()>,
) -> Result<u8> {
    let router = Router::new().fallback(answer::<A>).with_state(Arc::clone(&shared));
    let over = Arc::new(Notify::new());
    let ending = Arc::clone(&over);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { ending.notified().await });
    let mut server = tokio::spawn(server.into_future());
    let tasks = tokio::spawn(Arc::clone(&shared.hub).follow_tasks());
    let status = tokio::select! {
        () = stop => {
            shared.hub.end("`keelback attach` was stopped");
            0
        }
        reason = shared.hub.gone() => {
            writeln!(io::stderr(), "keelback: {reason}")?;
            1
        }
        ended = &mut server => return ended?.map(|()| 0).context("cannot serve"),
    };
    tasks.abort();
    over.notify_one();
    // Pages are told; one that does not read is left.
    let _ = tokio::time::timeout(LAST_WORDS, shared.hub.all_left()).await;
    shared.terminals.close_all();
    Ok(status)
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then the signal ends the process as it always does.
        std::future::pending::<()>().await;
    }
}

/// Prints another URL whenever the user presses Enter: the first may have gone to the wrong browser.
fn offer_more<A: Application>(shared: Arc<Shared<A>>) -> io::Result<()> {
    let read = move || {
        while system::is_asked() {
            let (Ok(1..), Ok(url)) = (io::stdin().read_line(&mut String::new()), shared.guard.renew()) else { return };
            let _ = writeln!(io::stdout(), "{url}");
        }
    };
    std::thread::Builder::new().name("enter".into()).spawn(read).map(drop)
}

async fn answer<A: Application>(State(shared): State<Arc<Shared<A>>>, request: Request) -> Response<Body> {
    let (mut parts, _) = request.into_parts();
    let folder = format!("/{}/", shared.guard.folder());
    let name = parts.uri.path().strip_prefix(&folder).map(str::to_owned);
    let wants = if name.as_deref() == Some("socket") { Wants::Socket } else { Wants::File };
    if parts.method != Method::GET || !shared.guard.is_ours(&parts.headers, wants) {
        return files::forbidden();
    }
    let Some(name) = name else {
        let query = parts.uri.query().unwrap_or_default();
        let token = query.strip_prefix("token=").filter(|_| parts.uri.path() == "/");
        return match token.and_then(|token| shared.guard.spend(token)) {
            Some(cookie) => files::enter(&cookie, shared.guard.folder()),
            None => files::forbidden(),
        };
    };
    if !shared.guard.is_known(&parts.headers) {
        return files::forbidden();
    }
    if wants == Wants::Socket {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &shared).await {
            Ok(upgrade) => {
                let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
                upgrade.on_upgrade(move |socket| tab::serve(shared, socket)).into_response()
            }
            Err(rejection) => rejection.into_response(),
        };
    }
    match secret::<16>() {
        Ok(nonce) => files::file(&name, &nonce).unwrap_or_else(files::not_found),
        Err(_) => files::not_found(),
    }
}
