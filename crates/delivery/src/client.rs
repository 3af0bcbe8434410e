//! A client of one collector: one connection, reopened when it breaks.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// Maximum time for one answer, including connecting.
const ANSWER_TIME: Duration = Duration::from_mins(1);
/// Maximum bytes of a connection's read buffer, and so of an answer's head.
const BUFFER_BYTES: usize = 16 << 10;
/// Maximum bytes read of an answer.
const ANSWER_BYTES: usize = 16 << 20;

/// The address of a collector, and the client's credentials.
#[derive(Clone, Default)]
pub struct Target {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// File whose first line begins with a bearer token; empty lines and `#` lines apart.
    pub token_file: Option<PathBuf>,
    /// The token itself; takes precedence over the file.
    pub token: Option<String>,
    /// CA certificates (PEM) for the collector's certificate; required for `https`.
    pub ca: Option<PathBuf>,
    /// Client certificate and key (PEM), if the collector requires one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Leave out the token.
        f.debug_struct("Target")
            .field("url", &self.url)
            .field("token_file", &self.token_file)
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

/// A client of one collector.
pub struct Client {
    url: String,
    authority: String,
    address: String,
    token: Option<HeaderValue>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What a collector answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// When to retry, if the answer says so.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Bytes,
}

/// An answer that is read as it comes.
#[derive(Debug)]
pub struct Stream {
    /// The status.
    pub status: StatusCode,
    /// Whether its content type is that of server-sent events.
    pub is_events: bool,
    body: Incoming,
    _connection: EndOnDrop,
}

/// Closes a connection at once. Dropping an answer closes it only when more of it comes.
#[derive(Debug)]
struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stream {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    ///
    /// Nothing came within this time, or the connection broke.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Bytes>, Unanswered> {
        loop {
            let frame = tokio::time::timeout(within, self.body.frame()).await;
            let frame = frame
                .map_err(|_| Unanswered(format!("nothing came for {} s", within.as_secs())))?;
            match frame.transpose().map_err(unanswered)? {
                None => return Ok(None),
                // Anything else than data has no meaning here.
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// Why there was no answer. All of these are transient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered(String);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unanswered {}

impl Client {
    /// A client that is not connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the target.
    pub fn new(target: &Target) -> Result<Self, String> {
        let wrong = || {
            let url = target.url.escape_debug();
            format!("\"{url}\": must be http://host:port or https://host:port")
        };
        let uri: Uri = target.url.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if !matches!(uri.path(), "" | "/") {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let host = authority.host().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
            Some((TlsConnector::from(Arc::new(tls(target)?)), name))
        } else {
            None
        };
        let token = match (&target.token, &target.token_file) {
            (Some(token), _) => Some(bearer(token)?),
            (None, Some(file)) => Some(token_in(file)?),
            (None, None) => None,
        };
        Ok(Self {
            url: target.url.clone(),
            authority: authority.to_string(),
            address: format!("{}:{port}", authority.host()),
            token,
            tls,
            connection: None,
        })
    }

    /// Where the collector is, as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it connects to: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Connects to this address, one of several that the host's name stands for. The collector is
    /// still asked by its name, which its certificate must have.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address.to_string();
        self
    }

    /// Sends a request and waits for the answer. A failed connection is reopened for the next
    /// request.
    ///
    /// # Errors
    ///
    /// There was no answer.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, Unanswered> {
        let result = tokio::time::timeout(ANSWER_TIME, self.ask_untimed(method, path, body)).await;
        let result = result.unwrap_or_else(|_| Err(Unanswered("no answer in time".into())));
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    async fn ask_untimed(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, Unanswered> {
        let request = self.request(method, path, body)?;
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await?.0,
        };
        connection.ready().await.map_err(unanswered)?;
        let answer = connection.send_request(request).await.map_err(unanswered)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(unanswered)?;
        self.connection = Some(connection);
        let retry_after = head.headers.get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer {
            status: head.status,
            retry_after: retry_after.map(Duration::from_secs),
            body: body.to_bytes(),
        })
    }

    /// Gets something whose answer has no end. It has a connection of its own.
    ///
    /// # Errors
    ///
    /// There was no answer.
    pub async fn follow(&self, path: &str) -> Result<Stream, Unanswered> {
        let answer = async {
            let request = self.request(Method::GET, path, None)?;
            let (mut connection, task) = self.connect().await?;
            let ends = EndOnDrop(task);
            let answer = connection.send_request(request).await.map_err(unanswered)?;
            Ok((answer, ends))
        };
        let answer = tokio::time::timeout(ANSWER_TIME, answer).await;
        let answer = answer.unwrap_or_else(|_| Err(Unanswered("no answer in time".into())))?;
        let (answer, ends) = answer;
        let (head, body) = answer.into_parts();
        let content = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_events = content.is_some_and(|content| content.starts_with(b"text/event-stream"));
        Ok(Stream { status: head.status, is_events, body, _connection: ends })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, Unanswered> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        request.body(Full::new(body.unwrap_or_default())).map_err(unanswered)
    }

    async fn connect(&self) -> Result<Connected, Unanswered> {
        let stream = TcpStream::connect(&self.address).await.map_err(unanswered)?;
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => start(stream).await,
            Some((connector, name)) => {
                start(connector.connect(name.clone(), stream).await.map_err(unanswered)?).await
            }
        }
    }
}

/// A connection, and the task that drives it.
type Connected = (SendRequest<Full<Bytes>>, AbortHandle);

async fn start<S>(stream: S) -> Result<Connected, Unanswered>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(unanswered)?;
    // Ends with the sender, or with the connection, whose failure the sender sees.
    let task = tokio::spawn(connection);
    Ok((sender, task.abort_handle()))
}

fn unanswered(error: impl fmt::Display) -> Unanswered {
    Unanswered(error.to_string())
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "the token has characters that a header cannot carry")?;
    value.set_sensitive(true);
    Ok(value)
}

fn token_in(file: &PathBuf) -> Result<HeaderValue, String> {
    let fault = |text: String| format!("token file \"{}\": {text}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    // Behind a token may stand its roles.
    let token = line.and_then(|line| line.split_whitespace().next());
    let token = token.ok_or_else(|| fault("holds no token".into()))?;
    bearer(token).map_err(fault)
}

fn tls(target: &Target) -> Result<ClientConfig, String> {
    let ca = target
        .ca
        .as_ref()
        .ok_or("https needs the CA certificates for the collector's certificate (--ca)")?;
    let read = |file: &PathBuf| -> Result<Vec<CertificateDer<'static>>, String> {
        CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| format!("\"{}\": {error}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in read(ca)? {
        roots.add(certificate).map_err(|error| format!("\"{}\": {error}", ca.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    match &target.identity {
        None => Ok(config.with_no_client_auth()),
        Some((cert, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("\"{}\": {error}", key.display()))?;
            config.with_client_auth_cert(read(cert)?, secret).map_err(|error| error.to_string())
        }
    }
}
