//! One pass over a text that tells which rules of redaction can apply to it at all: most texts have
//! none of the characters that the rules look for.

/// The characters of interest that a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// `=` or `:`, which assign a value to a name.
    pub const ASSIGNS: u8 = 1;
    /// White space, which ends the name of an authentication scheme.
    pub const SPACE: u8 = 1 << 1;
    /// `/` or `\`: a path or an authority.
    pub const SLASH: u8 = 1 << 2;
    /// `@`, after user information.
    pub const AT: u8 = 1 << 3;
    /// `%` or `\`: an encoded character.
    pub const ESCAPE: u8 = 1 << 4;
    /// `+`: an encoded space.
    pub const PLUS: u8 = 1 << 5;
    /// `J`, as in every JSON Web Token.
    pub const TOKEN: u8 = 1 << 6;
    /// `;`: a parameter of a path follows.
    pub const SEMICOLON: u8 = 1 << 7;

    /// Reads the text once.
    pub fn of(text: &str) -> Self {
        let mark = |byte: u8| OF_BYTES.get(usize::from(byte)).copied().unwrap_or_default();
        Self(text.bytes().fold(0, |marks, byte| marks | mark(byte)))
    }

    /// The same, and these.
    pub const fn with(self, more: u8) -> Self {
        Self(self.0 | more)
    }

    /// Whether the text has any character of these kinds.
    pub const fn any(self, of: u8) -> bool {
        self.0 & of != 0
    }
}

const OF_BYTES: [u8; 256] = {
    let mut marks = [0; 256];
    let mut byte = 0_u8;
    let mut rest = marks.as_mut_slice();
    while let [mark, after @ ..] = rest {
        *mark = match byte {
            b'=' | b':' => Marks::ASSIGNS,
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => Marks::SPACE,
            b'/' => Marks::SLASH,
            b'\\' => Marks::SLASH | Marks::ESCAPE,
            b'@' => Marks::AT,
            b'%' => Marks::ESCAPE,
            b'+' => Marks::PLUS,
            b'J' => Marks::TOKEN,
            b';' => Marks::SEMICOLON,
            _ => 0,
        };
        rest = after;
        byte = byte.wrapping_add(1);
    }
    marks
};

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn each_mark_tells_of_its_characters() {
        for (text, marks) in [
            ("", 0),
            ("019bf813-8f80-765c-a6c5-2e1fc974a095 \u{e9}", Marks::SPACE),
            ("a=1", Marks::ASSIGNS),
            ("https://u@h", Marks::ASSIGNS | Marks::SLASH | Marks::AT),
            ("%41+\\", Marks::ESCAPE | Marks::PLUS | Marks::SLASH),
            ("eyJ;", Marks::TOKEN | Marks::SEMICOLON),
        ] {
            assert_eq!(Marks::of(text), Marks(marks), "{text}");
            assert_eq!(Marks::of(text).any(marks), marks != 0, "{text}");
            assert!(!Marks::of(text).any(!marks), "{text}");
        }
    }
}
