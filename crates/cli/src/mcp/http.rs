//! Who may come in over HTTP: only this machine's programs, unless the command line says otherwise. A web page is kept
//! out by `Host` and `Origin` (DNS rebinding, which the protocol's specification warns of), other machines by a token.

use std::{io::Write, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use subtle::ConstantTimeEq;

use super::server::{Server, Shared};
use crate::{args::McpArgs, run::Usage};

/// Bytes of a token; a choice: half of what a UUID has as text.
const MIN_TOKEN: usize = 16;

/// Where to listen and for whom.
#[derive(Debug)]
pub(super) struct Listen {
    address: SocketAddr,
    hosts: Vec<String>,
    token: Option<String>,
}

impl Listen {
    pub(super) fn new(address: SocketAddr, args: &McpArgs) -> Result<Self> {
        let token = args.bearer_token_file.as_deref().map(read_token).transpose()?;
        if token.is_none() && !address.ip().is_loopback() {
            let text = format!(
                "`{address}` can be reached from other machines, so clients need a token: add --bearer-token-file FILE"
            );
            return Err(Usage(text).into());
        }
        let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        Ok(Listen { address, hosts: loopback.into_iter().chain(args.allow_host.iter().cloned()).collect(), token })
    }

    /// Answers until Ctrl-C.
    pub(super) async fn serve(self, shared: Arc<Shared>, idle: Duration) -> Result<()> {
        let mut manager = LocalSessionManager::default();
        manager.session_config.keep_alive = Some(idle);
        let origins = self.hosts.iter().flat_map(|host| origins(host));
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(self.hosts.clone())
            .with_allowed_origins(origins)
            .enforce_origin_validation();
        let factory = move || Ok(Server::new(Arc::clone(&shared)));
        let service = StreamableHttpService::new(factory, Arc::new(manager), config);
        let mut router = Router::new().route_service("/mcp", service);
        if let Some(token) = self.token {
            let token: Arc<str> = token.into();
            router =
                router.layer(middleware::from_fn(move |request, next| check_token(Arc::clone(&token), request, next)));
        }
        let listener = tokio::net::TcpListener::bind(self.address);
        let listener = listener.await.with_context(|| format!("cannot listen on `{}`", self.address))?;
        writeln!(std::io::stderr(), "keelback: listening on http://{}/mcp", listener.local_addr()?)?;
        tokio::select! {
            result = axum::serve(listener, router).into_future() => result.context("cannot serve"),
            result = tokio::signal::ctrl_c() => result.context("cannot wait for Ctrl-C"),
        }
    }
}

/// The origins of pages from a host, on any port.
fn origins(host: &str) -> [String; 2] {
    let host = if host.contains(':') && !host.starts_with('[') && host.matches(':').count() > 1 {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    // A host named with its port means that port only.
    let port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) { "" } else { ":*" };
    ["http", "https"].map(|scheme| format!("{scheme}://{host}{port}"))
}

fn read_token(path: &Path) -> Result<String> {
    let usage = |reason: String| Usage(format!("bearer token file `{}`: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| usage(error.to_string()))?;
    let token = text.trim();
    if token.len() < MIN_TOKEN || token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(usage(format!("it must hold one word of at least {MIN_TOKEN} ASCII characters")).into());
    }
    Ok(token.to_owned())
}

async fn check_token(token: Arc<str>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|given| has_token(given.as_bytes(), &token)) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "this server wants a bearer token")
        .into_response()
}

fn has_token(header: &[u8], token: &str) -> bool {
    let (Some(scheme), Some(given)) = (header.get(..7), header.get(7..)) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(given.ct_eq(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn listen(args: &str) -> Result<Listen> {
        let cli = Cli::try_parse_from(format!("keelback mcp {args}").split(' '))?;
        let Some(Command::Mcp(args)) = cli.command else { panic!("another command") };
        Listen::new(args.http.expect("an address"), &args)
    }

    #[test]
    fn other_machines_need_a_token() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, "0123456789abcdef\n").expect("a token");
        let with_token = format!("--bearer-token-file {}", file.path().display());
        assert!(listen("--http 127.0.0.1:0").is_ok());
        assert!(listen("--http [::1]:0").is_ok());
        for address in ["0.0.0.0:0", "192.168.1.2:80", "[::]:0"] {
            let error = listen(&format!("--http {address}")).expect_err("no token").to_string();
            assert!(error.contains(address) && error.contains("--bearer-token-file"), "{error}");
            assert!(listen(&format!("--http {address} {with_token}")).is_ok());
        }
        std::fs::write(&file, "short").expect("a token");
        assert!(listen(&format!("--http 127.0.0.1:0 {with_token}")).is_err());
    }

    #[test]
    fn a_token_is_compared_whole() {
        assert!(has_token(b"Bearer 0123456789abcdef", "0123456789abcdef"));
        assert!(has_token(b"bearer 0123456789abcdef", "0123456789abcdef"));
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdeff", "Basic 0123456789abcdef"]
        {
            assert!(!has_token(wrong.as_bytes(), "0123456789abcdef"), "{wrong}");
        }
    }

    #[test]
    fn origins_follow_the_hosts() {
        assert_eq!(origins("localhost"), ["http://localhost:*", "https://localhost:*"]);
        assert_eq!(origins("::1"), ["http://[::1]:*", "https://[::1]:*"]);
        assert_eq!(origins("box.example:8443")[1], "https://box.example:8443");
    }
}
