//! Cursors and identifiers: one spelling each.

use token::{Cursor, Mark, SessionId};

#[test]
fn a_cursor_has_one_spelling() {
    assert_eq!("0".parse(), Ok(Cursor::START));
    assert_eq!(Cursor::START.to_string(), "0");
    let cursor = Cursor {
        number: 17,
        mark: Some(Mark::from_bytes([0, 1, 2, 3, 4, 5, 6, 0xff])),
    };
    assert_eq!(cursor.to_string(), "17.00010203040506ff");
    assert_eq!("17.00010203040506ff".parse(), Ok(cursor));
    for bad in [
        "",
        "17",
        "0.",
        "0.00010203040506ff",
        "017.00010203040506ff",
        "-1.00010203040506ff",
        "17.00010203040506FF",
        "17.00",
        "9007199254740992.00010203040506ff",
    ] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

/// TV-31.
#[test]
fn an_identifier_has_one_spelling() {
    let text = "00ff0102030405060708090a0b0c0d0e";
    let id: SessionId = text.parse().unwrap();
    assert_eq!(id.to_string(), text);
    assert_eq!(id.bucket(), 0x00ff);
    for bad in [
        "",
        "00FF0102030405060708090a0b0c0d0e",
        "00ff0102030405060708090a0b0c0d0",
        "00ff0102030405060708090a0b0c0d0e0",
        "-0ff0102030405060708090a0b0c0d0e",
    ] {
        assert!(bad.parse::<SessionId>().is_err(), "{bad}");
    }
}
