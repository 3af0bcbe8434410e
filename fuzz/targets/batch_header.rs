//! Any line either is a batch header or is not; a header round-trips when it is written again.
#![no_main]

use gatelog_record::limits::{DROP_REASON_BYTES, DROP_REASONS, GATEWAY_BYTES};
use gatelog_record::{BatchHeader, DropReason};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let Ok(header) = BatchHeader::decode(line) else { return };
    let mut written = Vec::new();
    header.encode(&mut written);
    assert!(BatchHeader::is_header(&written));
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
    let again = BatchHeader::decode(&written).expect("its own line");
    // Reasons from later versions are not written.
    assert_eq!(again.gateway, header.gateway);
    assert!(header.gateway.len() <= GATEWAY_BYTES);
    assert!(header.dropped.iter().count() <= DROP_REASONS);
    assert!(header.dropped.iter().all(|(reason, _)| reason.len() <= DROP_REASON_BYTES));
    assert_eq!(
        (again.boot, again.assigned, again.queued),
        (header.boot, header.assigned, header.queued)
    );
    for reason in DropReason::ALL {
        assert_eq!(again.dropped.get(reason), header.dropped.get(reason));
    }
});
