//! Who asks, as a part of a request.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use gatelog_collector::http::server::Peer;

use super::App;
use super::answer::Refusal;
use super::params::Params;
use crate::who::Viewer;

/// A caller that is known. A handler that takes one is for nobody else.
pub(crate) struct Caller {
    /// Who it is.
    pub(crate) viewer: Arc<Viewer>,
    /// From where.
    pub(crate) address: SocketAddr,
    /// Its connection.
    pub(crate) peer: Option<Peer>,
    /// What stands behind the `?`.
    pub(crate) query: Option<String>,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let address = address(parts)?;
        let viewer = app.who().viewer(&parts.headers, address.ip())?;
        let peer = parts.extensions.get::<Peer>().cloned();
        if let Some(peer) = &peer {
            peer.trust();
        }
        Ok(Self { viewer, address, peer, query: parts.uri.query().map(str::to_owned) })
    }
}

impl Caller {
    /// The parameters with these names.
    pub(crate) fn params(&self, known: &[&'static str]) -> Result<Params, Refusal> {
        Params::parse(self.query.as_deref(), known)
    }
}

/// The address of a connection: every one has it.
pub(crate) fn address(parts: &Parts) -> Result<SocketAddr, Refusal> {
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    address.map(|ConnectInfo(address)| *address).ok_or_else(Refusal::fault)
}
