//! HTTP callouts.

use wasmi::{Caller, Error, Linker, errors::LinkerError};

use crate::mock_host::guest::{Guest, State};
use crate::mock_host::headers::Headers;
use crate::mock_host::status::Status;
use crate::mock_host::world::{Callout, Cluster};

pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    linker.func_wrap("env", "proxy_http_call", http_call)?;
    Ok(())
}

fn pairs(guest: &mut Guest<'_>, at: u32, len: u32) -> Result<Headers, Error> {
    let bytes = guest.bytes(at, len)?;
    Headers::decode(&bytes)
        .map_err(|error| guest.violation(format!("passes a malformed map: {error}")))
}

#[expect(clippy::too_many_arguments, reason = "the hostcall has ten of them")]
fn http_call(
    caller: Caller<'_, State>,
    cluster_at: u32,
    cluster_len: u32,
    headers_at: u32,
    headers_len: u32,
    body_at: u32,
    body_len: u32,
    trailers_at: u32,
    trailers_len: u32,
    timeout_ms: u32,
    token_at: u32,
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let cluster = guest.text(cluster_at, cluster_len)?;
    let headers = pairs(&mut guest, headers_at, headers_len)?;
    let body = guest.bytes(body_at, body_len)?;
    let trailers = pairs(&mut guest, trailers_at, trailers_len)?;
    guest.hostcall("proxy_http_call", cluster.clone(), |guest| {
        let world = guest.world();
        let has_all =
            [":method", ":path", ":authority"].iter().all(|name| headers.get(name).is_some());
        match world.clusters.get(&cluster) {
            Some(Cluster::Reachable) if has_all => {}
            Some(Cluster::WithoutEndpoint) if has_all => return Ok(Status::INTERNAL_FAILURE),
            _ => return Ok(Status::BAD_ARGUMENT),
        }
        let token = u32::try_from(world.callouts.len().saturating_add(1)).unwrap_or(u32::MAX);
        let context = world.view.context;
        world.callouts.push(Callout {
            token,
            context,
            cluster,
            headers,
            body,
            trailers,
            timeout_ms,
        });
        guest.write_u32(token_at, token)?;
        Ok(Status::OK)
    })
}
