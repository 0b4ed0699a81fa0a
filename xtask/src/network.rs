//! `requests`, `urllib3` and `httpx` from PyPI, unchanged, in the sandbox and on native Python: the same program against the
//! same servers on loopback has to print the same.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

const PACKAGES: [&str; 2] = ["requests==2.32.5", "httpx==0.28.1"];

/// Two servers, without and with TLS; prints their ports.
const SERVER: &str = r#"
import http.server, json, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        status = 302 if self.path == '/moved' else 200
        data = b'x' * int(self.path[5:]) if self.path.startswith('/big/') else json.dumps([self.path, len(body)]).encode()
        self.send_response(status)
        if status == 302:
            self.send_header('Location', '/here')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    do_POST = do_GET
    def log_message(self, *args):
        pass
servers = [http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) for _ in range(2)]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
servers[1].socket = context.wrap_socket(servers[1].socket, server_side=True)
threading.Thread(target=servers[0].serve_forever, daemon=True).start()
print(*(server.server_address[1] for server in servers), flush=True)
servers[1].serve_forever()
"#;

const PROGRAM: &str = r#"
import sys
packages, ca, plain, secure = sys.argv[1:]
sys.path.insert(0, packages)
import asyncio, ssl, urllib.request
import httpx, requests, urllib3
plain, secure = 'http://localhost:' + plain, 'https://localhost:' + secure
trusting = ssl.create_default_context(cafile=ca)
def show(name, call):
    try:
        print(name, call())
    except Exception as error:
        print(name, type(error).__name__)
show('urllib', lambda: urllib.request.urlopen(secure + '/a', context=trusting).read())
show('urllib untrusted', lambda: urllib.request.urlopen(secure + '/a', context=ssl.create_default_context(cadata=None)).read())
show('requests', lambda: requests.get(plain + '/a').json())
show('requests tls', lambda: requests.get(secure + '/a', verify=ca).json())
show('requests untrusted', lambda: requests.get(secure + '/a').json())
show('requests redirect', lambda: [r.status_code for r in requests.get(secure + '/moved', verify=ca).history])
with requests.Session() as session:
    session.verify = ca
    show('session', lambda: [session.post(secure + '/p', data=b'x' * n).json() for n in (1, 1000, 100_000)])
    show('stream', lambda: sum(map(len, session.get(secure + '/big/3000000', stream=True).iter_content(10_000))))
pool = urllib3.PoolManager(ca_certs=ca)
show('urllib3', lambda: [pool.request('GET', url + '/a').status for url in (plain, secure)])
show('refused', lambda: requests.get('http://localhost:1/'))
show('httpx', lambda: [httpx.get(url + '/a', verify=trusting).json() for url in (plain, secure)])
show('httpx untrusted', lambda: httpx.get(secure + '/a'))
async def together():
    async with httpx.AsyncClient(verify=trusting) as client:
        answers = await asyncio.gather(*(client.get(f'{url}/{n}') for n in range(5) for url in (plain, secure)))
        big = await client.get(secure + '/big/3000000')
        return [answer.json() for answer in answers], len(big.content)
show('httpx async', lambda: asyncio.run(together()))
async def late():
    async with httpx.AsyncClient() as client:
        await client.get('http://localhost:1/')
show('httpx async refused', lambda: asyncio.run(late()))
"#;

/// `cargo xtask network`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let folder = root.join("target/network-packages");
    fs::create_dir_all(&folder)?;
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade", "--target"];
    crate::check(Command::new("python3").args(pip).arg(&folder).args(PACKAGES))?;
    let files = Files::write(&root.join("target"))?;
    let mut server = Command::new("python3");
    server.args(["-c", SERVER]).args([&files.certificate, &files.key]).stdout(Stdio::piped());
    server.stderr(Stdio::null()); // clients that go away, as they should
    let mut server = Server(server.spawn().context("cannot start python3")?);
    let mut ports = String::new();
    BufReader::new(server.0.stdout.take().context("stdout is piped")?).read_line(&mut ports)?;
    let ports: Vec<&str> = ports.split_whitespace().collect();
    let output = |command: &mut Command| -> Result<String> {
        Ok(String::from_utf8(command.stderr(Stdio::inherit()).output().context("cannot start a program")?.stdout)?)
    };
    let mut ours = Command::new(root.join("target/release/keelback"));
    ours.args(["run", "--allow-net", "localhost", "--allow-read"]).arg(format!("{}:/packages", folder.display()));
    ours.arg("--allow-read").arg(format!("{}:/ca.pem", files.authority.display()));
    let ours = output(ours.args(["-c", PROGRAM, "/packages", "/ca.pem"]).args(&ports))?;
    let mut theirs = Command::new("python3");
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy"] {
        theirs.env_remove(name).env_remove(name.to_uppercase());
    }
    let theirs = output(theirs.args(["-c", PROGRAM]).args([&folder, &files.authority]).args(&ports))?;
    write!(io::stdout(), "{ours}")?;
    if ours != theirs || ours.is_empty() {
        bail!("native Python printed:\n{theirs}");
    }
    writeln!(io::stdout(), "\n{} lines, as on native Python", ours.lines().count())?;
    Ok(())
}

/// The servers, as long as they are wanted.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A CA, and a certificate of it for `localhost`.
struct Files {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn write(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Keelback test CA");
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?;
        let files = Files {
            authority: folder.join("network-ca.pem"),
            certificate: folder.join("network-server.pem"),
            key: folder.join("network-server.key"),
        };
        fs::write(&files.authority, issuer.pem())?;
        fs::write(&files.certificate, certificate.pem())?;
        fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}
