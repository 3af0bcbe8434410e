//! Envoy's foreign functions for expressions over properties. Source: Envoy,
//! `source/extensions/common/wasm/foreign.cc`.

use wasmi::{Caller, Error, Linker, errors::LinkerError};

use crate::mock_host::guest::{Guest, State};
use crate::mock_host::headers;
use crate::mock_host::status::Status;
use crate::mock_host::world::World;

pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    linker.func_wrap("env", "proxy_call_foreign_function", call)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI's arguments")]
fn call(
    caller: Caller<'_, State>,
    name_at: u32,
    name_len: u32,
    argument_at: u32,
    argument_len: u32,
    data: u32,
    len: u32,
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let name = guest.text(name_at, name_len)?;
    let argument = guest.bytes(argument_at, argument_len)?;
    guest.hostcall("proxy_call_foreign_function", name.clone(), |guest| {
        let world = guest.world();
        let result = match name.as_str() {
            _ if world.no_expressions => Err(Status::NOT_FOUND),
            "expr_create" => create(world, argument),
            "expr_evaluate" => evaluate(world, &argument),
            _ => Err(Status::NOT_FOUND),
        };
        match result {
            Ok(bytes) => guest.give(&bytes, data, len),
            Err(status) => Ok(status),
        }
    })
}

/// Stores an expression; its token is its index.
fn create(world: &mut World, expression: Vec<u8>) -> Result<Vec<u8>, Status> {
    let expression = String::from_utf8(expression).map_err(|_| Status::BAD_ARGUMENT)?;
    let token = u32::try_from(world.expressions.len()).map_err(|_| Status::INTERNAL_FAILURE)?;
    world.expressions.push(expression);
    Ok(token.to_le_bytes().to_vec())
}

/// Returns a list as the names of a map. An element is `a.b`, or `has(a.b) ? a.b : ''`, or a header
/// that may be absent, `'a' in response.headers ? response.headers['a'] : ''`: that is the entire
/// subset of the language modelled here.
fn evaluate(world: &World, token: &[u8]) -> Result<Vec<u8>, Status> {
    let token = token.try_into().map(u32::from_le_bytes).map_err(|_| Status::BAD_ARGUMENT)?;
    let place = usize::try_from(token).unwrap_or(usize::MAX);
    let expression = world.expressions.get(place).ok_or(Status::NOT_FOUND)?;
    let mut list: Vec<(Vec<u8>, &[u8])> = Vec::new();
    let whole = expression.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    for element in whole.unwrap_or_default().split(", ") {
        let header = element.split_once("' in response.headers ? ");
        if let Some((name, rest)) =
            header.and_then(|(name, rest)| Some((name.strip_prefix('\'')?, rest)))
            && rest == format!("response.headers['{name}'] : ''")
        {
            list.push((world.response_header(name), b""));
            continue;
        }
        let (name, guarded) = match element.strip_prefix("has(").and_then(|e| e.split_once(") ? "))
        {
            Some((name, rest)) if rest == format!("{name} : ''") => (name, true),
            _ => (element, false),
        };
        match world.property(name) {
            Some(value) => list.push((value.clone(), b"")),
            None if guarded => list.push((Vec::new(), b"")),
            None => return Err(Status::INTERNAL_FAILURE),
        }
    }
    let list: Vec<(&[u8], &[u8])> =
        list.iter().map(|(element, none)| (element.as_slice(), *none)).collect();
    Ok(headers::encode(&list))
}
