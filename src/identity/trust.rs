//! Whom the gateway believes what a request says about itself.

use std::net::IpAddr;

use ipnet::IpNet;

/// Whose ids, or whose trace, are adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Everyone's.
    Always,
    /// No one's.
    Never,
    /// Those of peers within these networks.
    Networks(Vec<IpNet>),
}

impl Trust {
    /// Trust in networks. One of IPv4-mapped addresses, `::ffff:10.0.0.0/104`, is the IPv4 network:
    /// peers are compared by their IPv4 address.
    pub fn within(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self::Networks(networks.into_iter().map(canonical).collect())
    }

    /// Whether a peer is trusted; `peer` is called only if networks decide.
    pub fn covers(&self, peer: impl FnOnce() -> Option<IpAddr>) -> bool {
        match self {
            Trust::Always => true,
            Trust::Never => false,
            Trust::Networks(networks) => {
                let peer = peer().map(|address| address.to_canonical());
                peer.is_some_and(|address| {
                    networks.iter().any(|network| network.contains(&address))
                })
            }
        }
    }
}

fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(MAPPED_BITS));
    four.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

/// Bits before the IPv4 address in an IPv4-mapped IPv6 address.
const MAPPED_BITS: u8 = 96;

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_peer_is_compared_by_its_ipv4_address_and_an_unknown_one_is_not_trusted() {
        let within = Trust::Networks(vec!["10.0.0.0/8".parse().unwrap()]);
        assert!(within.covers(|| Some("::ffff:10.0.0.1".parse().unwrap())));
        assert!(!within.covers(|| None));
    }

    #[test]
    fn a_network_of_mapped_addresses_is_the_ipv4_network() {
        for (network, peer, covers) in [
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("::ffff:10.1.2.3/128", "10.1.2.3", true),
            ("::ffff:0.0.0.0/96", "192.0.2.1", true),
            ("::ffff:0:0/95", "10.1.2.3", false),
            ("::/0", "10.1.2.3", false),
            ("::/0", "2001:db8::1", true),
        ] {
            let trust = Trust::within([network.parse().unwrap()]);
            let found = trust.covers(|| Some(peer.parse().unwrap()));
            assert_eq!(found, covers, "{network} {peer}");
        }
    }
}
