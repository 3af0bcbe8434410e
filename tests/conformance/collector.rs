//! Where the filter posts to.

use std::sync::Mutex;

use proxy_wasm_host::abi::v0_2_1::{
    CalloutId, Callouts, ContextId, HttpCall, HttpCallRefusal, Invocation,
};
use serde_json::Value;

/// One batch that was posted.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) context: ContextId,
    pub(crate) callout: CalloutId,
    /// The request.
    pub(crate) call: HttpCall<'static>,
}

impl Post {
    /// A header of the request.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.call.headers.iter().find(|(own, _)| own.as_ref() == name.as_bytes());
        found.map_or("", |(_, value)| std::str::from_utf8(value).unwrap())
    }

    /// The lines of the batch: its header, then its records.
    pub(crate) fn lines(&self) -> (Value, Vec<Value>) {
        let text = std::str::from_utf8(&self.call.body).expect("a batch is UTF-8");
        let mut lines = text.lines().map(|line| serde_json::from_str(line).expect(line));
        (lines.next().expect("a batch has a header"), lines.collect())
    }
}

/// Receives posts; the test answers them.
#[derive(Default)]
pub(crate) struct Collector {
    posts: Mutex<Vec<Post>>,
    refusal: Mutex<Option<HttpCallRefusal>>,
}

impl Collector {
    /// Sets whether the host refuses to send posts from now on.
    pub(crate) fn refuse(&self, refusal: Option<HttpCallRefusal>) {
        *self.refusal.lock().unwrap() = refusal;
    }

    /// Posts that the test has not read yet.
    pub(crate) fn posted(&self) -> Vec<Post> {
        std::mem::take(&mut self.posts.lock().unwrap())
    }
}

impl Callouts for Collector {
    fn http_call(
        &self,
        call: Invocation,
        callout: CalloutId,
        request: HttpCall<'_>,
    ) -> Result<(), HttpCallRefusal> {
        if let Some(refusal) = *self.refusal.lock().unwrap() {
            return Err(refusal);
        }
        let post = Post { context: call.context, callout, call: request.into_owned() };
        self.posts.lock().unwrap().push(post);
        Ok(())
    }
}
