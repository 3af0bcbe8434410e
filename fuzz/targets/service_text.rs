//! A secret that a program prints under a sensitive name, in whatever form and over however many
//! lines, does not get through a service's text; and masking twice changes nothing more.
#![no_main]

use arbitrary::Arbitrary;
use gatelog_record::sensitive::names::{
    SENSITIVE_PARAMETERS, SENSITIVE_PARTS, SENSITIVE_WORDS, is_prose,
};
use gatelog_record::sensitive::{MASK, masked};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    before: &'a str,
    after: &'a str,
    /// Characters of the secret beside its known part.
    salt: &'a str,
    name: u8,
    upper: bool,
    prefix: bool,
    indentation: u8,
    shape: Shape,
}

/// How a program prints the secret.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Shape {
    Assigned,
    Header,
    Quoted,
    Block,
    Items,
    Member,
    Nested,
    Debug,
    DebugList,
    DebugObject,
    Json,
    JsonList,
    JsonObject,
    Literals,
    Concatenated,
    Pair,
    PairFirst,
    Bearer,
    Token,
    User,
    PrivateKey,
    Folded,
    Tagged,
    QuotedBlock,
    QuotedItems,
    Escaped,
    Bytes,
    Coloured,
    Tuple,
    Option,
    Subscript,
    Environment,
    Array,
    Traced,
    Embedded,
    Arguments,
    Doubled,
}

const SECRET: &str = "hunter2";

impl Input<'_> {
    fn name(&self) -> String {
        let names = [&SENSITIVE_PARAMETERS[..], &SENSITIVE_PARTS, &SENSITIVE_WORDS].concat();
        let name = names[usize::from(self.name) % names.len()];
        // Followed by a colon, some are ordinary words.
        let prefix = if self.prefix || is_prose(name) { "db_password_" } else { "" };
        let name = format!("{prefix}{name}");
        if self.upper { name.to_uppercase() } else { name }
    }

    fn printed(&self) -> String {
        let name = self.name();
        let at = " ".repeat(usize::from(self.indentation % 8));
        let part: String = self.salt.chars().filter(|part| part.is_alphanumeric()).collect();
        let word = format!("{part}{SECRET}");
        // As programs escape a text in quotes.
        let text = format!("{:?}", format!("{}{SECRET}", self.salt));
        match self.shape {
            Shape::Assigned => format!("{at}{name}={part} {word}&{word}"),
            Shape::Header => format!("{at}{name}: x{part} {word}, {word}"),
            Shape::Quoted => format!("{at}{name}=\"{part}\n{word}\n\" x"),
            Shape::Block => format!("{at}{name}: |-\n{at}  x{word}\n\n{at}  x{word}"),
            Shape::Items => format!("{at}{name}:\n{at}- x{word}\n{at}- x{word}"),
            Shape::Member => format!("{at}Db {{ {name}: {text}, port: 1 }}"),
            Shape::Nested => format!("{at}{name}: [\n{text},\n[{text}],\n],"),
            Shape::Debug => {
                format!("{at}Db {{\n{at}    {name}: Some(\n{at}        {text},\n{at}    ),\n{at}}}")
            }
            Shape::DebugList => format!("{at}{name}: [\n{at}    {text},\n{at}    {text},\n{at}],"),
            Shape::DebugObject => {
                format!(
                    "{at}{name}: Credentials {{\n{at}    a: {text},\n{at}    b: ({text}),\n{at}}}"
                )
            }
            Shape::Json => format!("{{\n{at}\"{name}\": {text},\n{at}\"b\": 1\n}}"),
            Shape::JsonList => format!("{{\"{name}\":\n{at}[\n{at}{text},\n{text}\n], \"b\": 1}}"),
            Shape::JsonObject => {
                format!("{{\"{name}\":\n{{\"a\": {{\"b\":\n{text}}}}}, \"b\": 1}}")
            }
            Shape::Literals => {
                format!("{at}{{'{name}': 'x{part}'\n{at}   '{word}'\n{at}   '{word}'}}")
            }
            Shape::Concatenated => {
                format!("{at}{name}: 'x{part}\\n' +\n{at}  '{word}\\n' +\n{at}  '{word}',")
            }
            Shape::Pair => format!("{{\n{at}name: '{name}',\n{at}value: {text},\n}}"),
            Shape::PairFirst => format!("{{\n{at}\"value\": {text},\n{at}\"name\": \"{name}\"\n}}"),
            Shape::Bearer => format!("{at}sent Bearer {word}"),
            Shape::Token => format!("{at}got eyJhbGciOiJub25lIn0.{SECRET}.x"),
            Shape::User => format!("{at}opened postgres://user:{word}@host/db"),
            Shape::Folded => format!("{at}{name}: x{part}\n{at}  y{word}\n{at}\ty{word}"),
            Shape::Tagged => format!("{at}{name}: !!binary |\n\n{at}  y{word}\n{at}  y{word}"),
            Shape::QuotedBlock => format!("{at}\"{name}\":\n{at}  a: b\n{at}  \"c\": y{word}"),
            Shape::QuotedItems => format!("{at}\"{name}\":\n{at}- {text}\n{at}- {text}"),
            // JSON within JSON, and within what Python prints of bytes.
            Shape::Escaped => format!("{:?}", format!("{{\"{name}\": {text}, \"b\": 1}}")),
            Shape::Bytes => {
                format!("b'{}'", format!("{{\"{name}\": {text}}}").replace('\\', "\\\\"))
            }
            Shape::Coloured => format!("{at}\x1b[36m{name}\x1b[0m=\x1b[35mx{word}\x1b[0m"),
            Shape::Tuple => format!("{at}[('user', 'a'), ('{name}', {text})]"),
            Shape::Option => format!("{at}run --{name} x{word} {word}"),
            Shape::Subscript => format!("{at}config['{name}'] = {text}"),
            Shape::Environment => format!("{at}export {}={text}", name.to_uppercase()),
            Shape::Array => format!("{at}[\n{at}  '{name}',\n{at}  {text}\n{at}]"),
            Shape::Traced => {
                let frame = "    at f (/b.js:1:2)";
                format!(
                    "{at}{name}: {{\n{at}  e: Error\n{at}{frame}\n{at}{frame},\n{at}  z: {text}\n{at}}}"
                )
            }
            // In a text that was quoted, after an escaped line feed.
            Shape::Embedded => format!("{{\"m\": \"a\\n{name}: x{word}\"}}"),
            Shape::Arguments => format!("{at}['run', '--{name}', {text}, 'x']"),
            Shape::Doubled => format!("{at}r: '{{''{name}'': ''x{word}''}}'"),
            Shape::PrivateKey => {
                format!("{at}-----BEGIN PRIVATE KEY-----\n{word}\n-----END PRIVATE KEY-----")
            }
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    // A quote or an object that begins before the secret's own would be closed by it.
    let before = input.before.replace(['"', '\'', '{', '}', '\\'], "");
    if [&before, input.after, input.salt].iter().any(|text| text.contains(SECRET)) {
        return;
    }
    let more = ["pin".to_owned()];
    let printed = input.printed();
    for text in [printed.clone(), format!("{before}\n{printed}\n{}", input.after)] {
        let once = masked(&text, &more);
        assert!(!once.contains(SECRET), "{text:?}: {once:?}");
        assert!(once.contains(MASK) || matches!(input.shape, Shape::User), "{text:?}: {once:?}");
    }
    for text in [input.before, input.after] {
        assert!(masked(text, &more).len() <= text.len().saturating_mul(MASK.len() + 1));
    }
});
