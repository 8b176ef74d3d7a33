//! JSON that is none, after the classes of the `n_` files of JSONTestSuite (Nicolas Seriot), in tokens whose signature holds.

use token::strict_json;

use crate::forge::{encode, es256_parts, header, payload, verify};

/// One line per text; `\` begins an escape as in Rust.
const TEXTS: [&str; 125] = [
    // Lists.
    "[1 true]",
    "[\"\": 1]",
    "[\"\"],",
    "[,1]",
    "[1,,2]",
    "[\"x\",,]",
    "[\"x\"]]",
    "[\"\",]",
    "[\"x\"",
    "[x",
    "[3[4]]",
    "[1:2]",
    "[,]",
    "[-]",
    "[   , \"\"]",
    "[\"a\",\n4\n,1,",
    "[1,]",
    "[1,,]",
    "[\"\u{b}a\"\\f]",
    "[*]",
    "[\"\"",
    "[1,",
    "[1,\n1\n,1",
    "[{}",
    // Words.
    "[fals]",
    "[nul]",
    "[tru]",
    "True",
    "NULL",
    "nan",
    "undefined",
    // Numbers.
    "++1234",
    "+1",
    "+Inf",
    "-01",
    "-1.0.",
    "-2.",
    "-NaN",
    ".-1",
    ".2e-3",
    "0.1.2",
    "0.3e+",
    "0.3e",
    "0.e1",
    "0E+",
    "0E",
    "1.0e+",
    "1.0e-",
    "1.0e",
    "1 000.0",
    "1eE2",
    "2.e+3",
    "2.e-3",
    "2.e3",
    "9.e+",
    "Inf",
    "NaN",
    "\u{ff11}",
    "1+2",
    "0x1",
    "0x42",
    "Infinity",
    "0e+-1",
    "-123.123foo",
    "-Infinity",
    "-foo",
    "- 1",
    "-012",
    "-.123",
    "-1x",
    "1ea",
    "1.",
    ".123",
    "1.2a-3",
    "1.8011670033376514H-308",
    "012",
    "1e999",
    // Objects.
    "{\"x\", null}",
    "{\"x\"::\"b\"}",
    "{\u{1f1e8}\u{1f1ed}}",
    "{\"a\":\"a\" 123}",
    "{key: 'value'}",
    "{\"a\" b}",
    "{:\"b\"}",
    "{\"a\" \"b\"}",
    "{\"a\":",
    "{\"a\"",
    "{1:1}",
    "{9999E9999:1}",
    "{null:null,null:null}",
    "{\"id\":0,,,,,}",
    "{'a':0}",
    "{\"id\":0,}",
    "{\"a\":\"b\"}/**/",
    "{\"a\":\"b\"}//",
    "{\"a\":\"b\",,\"c\":\"d\"}",
    "{a: \"b\"}",
    "{\"a\":\"a",
    "{ \"foo\" : \"bar\", \"a\" }",
    "{\"a\":\"b\"}#",
    "{\"a\":1,\"a\":1}",
    // Texts.
    "[\"\\uD800\\\"]",
    "\"\\uD800\\u\"",
    "\"\\uD800\\u1x\"",
    "\"\\uD834\\uDd\"",
    "\"\\uDC00\"",
    "\"\\x00\"",
    "\"\\\\\\\"",
    "\"\\\t\"",
    "\"\\a\"",
    "\"\\u00A\"",
    "\"\\uqqqq\"",
    "\\u0020\"asd\"",
    "\\n",
    "'single quote'",
    "abc",
    "\"new\nline\"",
    "\"\t\"",
    "\"a\0a\"",
    "\"\\UA66D\"",
    // What stands around a value.
    "",
    "\u{feff}{}",
    "<null>",
    "1]",
    "[\u{2060}]",
];

/// The same for bytes that are no UTF-8.
const BYTES: [&[u8]; 8] = [
    b"\"\xff\"",
    b"\"\xc0\xaf\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xf4\xbf\xbf\xbf\"",
    b"\"\\\xe5\"",
    b"[\xe5]",
    b"1e1\xe5",
    b"\xfe\xff\0{\0}",
];

fn all() -> impl Iterator<Item = Vec<u8>> {
    let texts = TEXTS.iter().map(|text| text.as_bytes().to_vec());
    let bytes = BYTES.iter().map(|bytes| bytes.to_vec());
    let long = ["[", "{\"\":", "[{\"\":"].map(|text| text.repeat(900).into_bytes());
    texts.chain(bytes).chain(long)
}

fn es256(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    es256_parts(&encode(header), &encode(payload))
}

/// The good payload, this text being the value of one member more.
fn inside(text: &[u8]) -> Vec<u8> {
    let good = payload().to_string();
    let open = good.strip_suffix('}').unwrap();
    [open.as_bytes(), b",\"x\":", text, b"}"].concat()
}

/// TV-15: alone as the payload, as the value of a claim that nobody reads, and behind a payload that is good.
#[test]
fn what_is_not_json_is_refused_though_it_is_well_signed() {
    let header = header().to_string();
    for text in all() {
        let behind = [payload().to_string().as_bytes(), &text].concat();
        let broken = [inside(&text), text.clone()];
        // Nothing behind a payload is nothing; that is the one text which may stand there.
        let broken = broken
            .into_iter()
            .chain((!text.is_empty()).then_some(behind));
        for payload in broken {
            let seen = String::from_utf8_lossy(&payload).into_owned();
            assert!(strict_json(&payload).is_err(), "{seen}");
            assert!(verify(es256(&header, &payload)).is_err(), "{seen}");
        }
    }
    for good in [
        "[1]",
        "-0",
        "1e1",
        "\"\\ud834\\udd1e\"",
        "{\"a\":{}}",
        " null ",
    ] {
        assert!(
            verify(es256(&header, inside(good.as_bytes()))).is_ok(),
            "{good}"
        );
    }
}

/// TV-15: the same in the header, where it is read before the signature.
#[test]
fn a_header_that_is_not_json_is_refused() {
    for text in all() {
        let good = header().to_string();
        let open = good.strip_suffix('}').unwrap();
        let header = [open.as_bytes(), b",\"x\":", &text, b"}"].concat();
        assert!(verify(es256(&header, payload().to_string())).is_err());
        assert!(verify(es256(&text, payload().to_string())).is_err());
    }
}
