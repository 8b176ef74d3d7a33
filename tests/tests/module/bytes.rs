//! Odd data from the host where the status says that all is well.

use super::*;
use tests::host::HeaderMap;

fn number(number: u32) -> [u8; 4] {
    number.to_le_bytes()
}

/// The ABI's form of one header.
fn one_pair(count: u32, name_size: u32, value_size: u32) -> Vec<u8> {
    let sizes = [number(count), number(name_size), number(value_size)].concat();
    [sizes, b":path\0/public\0".to_vec()].concat()
}

fn maps() -> Vec<Vec<u8>> {
    let whole = one_pair(1, 5, 7);
    let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
    let mut maps: Vec<_> = cut.collect();
    for count in [0, 2, 3, 1 << 16, 1 << 29, 1 << 31, u32::MAX] {
        maps.push(one_pair(count, 5, 7));
        maps.push(number(count).to_vec());
        maps.push([number(count).to_vec(), vec![0xff; 64]].concat());
    }
    for size in [0, 6, 255, 1 << 20, 1 << 31, u32::MAX] {
        maps.push(one_pair(1, size, 7));
        maps.push(one_pair(1, 5, size));
        maps.push(one_pair(1, size, size));
    }
    maps.push(vec![0xff; 1 << 16]);
    maps.push(vec![0; 1 << 16]);
    maps
}

/// FR-22: header maps with huge counts and sizes, and cut short anywhere: refused, the public path too.
#[test]
fn a_header_map_that_cannot_be_read_lets_nothing_pass() {
    let mut envoy = envoy(1);
    for map in maps() {
        envoy.return_instead("proxy_get_header_map_pairs", Returned::Bytes(map.clone()));
        for request in requests() {
            let reply = envoy.vm(0).request(request);
            assert_eq!(reply.local().status, 400, "{map:?}");
        }
    }
    for data in [Returned::NoPointer, Returned::NoSize] {
        envoy.return_instead("proxy_get_header_map_pairs", data);
        for request in requests() {
            assert_eq!(envoy.vm(0).request(request).local().status, 400);
        }
    }
    envoy.stop_forcing();
    send_all(&mut envoy, &healthy(), "afterwards");
}

/// As every import that returns data to a request may return it.
#[test]
fn odd_data_on_requests_never_opens_the_gate() {
    let healthy = healthy();
    for import in ["proxy_get_shared_data", "proxy_call_foreign_function"] {
        for data in odd_data() {
            let attack = format!("{import} {data:?}");
            let mut envoy = envoy(1);
            envoy.return_instead(import, data);
            send_all(&mut envoy, &healthy, &attack);
        }
    }
}

/// TV-09: `verify_signature` says yes in exactly one way.
#[test]
fn only_a_plain_yes_of_the_host_is_a_good_signature() {
    for answer in [
        &b""[..],
        b"\x08",
        b"\x08\x00",
        b"\x08\x02",
        b"\x08\x01\x00",
        b"\x08\x01\x12\x00",
        b"\x12\x00",
        b"\x08\x81\x00",
        b"\x01",
    ] {
        let mut envoy = envoy(1);
        let data = Returned::Bytes(answer.to_vec());
        envoy.return_instead("proxy_call_foreign_function", data);
        let token = issuer().access_token(&session("alice"));
        let reply = envoy.vm(0).request(get("/orders").bearer(token));
        assert_eq!(reply.local().status, 401, "{answer:?}");
    }
}

/// And to ticks and answers of the companion: no trap, and what is revoked stays so.
#[test]
fn odd_data_while_polling_never_traps() {
    let imports = [
        "proxy_get_shared_data",
        "proxy_get_buffer_bytes",
        "proxy_get_header_map_value",
        "proxy_call_foreign_function",
    ];
    for import in imports {
        for data in odd_data() {
            let attack = format!("{import} {data:?}");
            let mut envoy = envoy(1);
            envoy.poll(&issuer());
            envoy.return_instead(import, data);
            for _ in 0..3 {
                if envoy.waiting_poll().is_some() {
                    envoy.answer_feed(page());
                }
                envoy.advance(Duration::from_secs(1));
            }
            assert_eq!(envoy.vm(0).failure(), None, "{attack}");
            let token = issuer().access_token(&session("bob"));
            let reply = envoy.vm(0).request(get("/orders").bearer(&token));
            assert!(!reply.passed(), "{attack}");
            envoy.stop_forcing();
            envoy.advance(Duration::from_secs(6));
            envoy.answer_feed(page().revoking(session("bob").id));
            let reply = envoy.vm(0).request(get("/orders").bearer(&token));
            assert_eq!(reply.status(), 401, "{attack}");
        }
    }
}

/// A header map is read as bytes: names and values that are no text reach the app as they came.
#[test]
fn headers_that_are_no_text_pass_as_they_came() {
    let mut envoy = envoy(1);
    let request = get("/public")
        .header(b"x-\xff\xfe", b"\xff\x00")
        .header("x-empty", "");
    let reply = envoy.vm(0).request(request);
    assert_eq!(reply.upstream(b"x-\xff\xfe"), [b"\xff\x00"]);
    assert_eq!(reply.upstream("x-empty"), [b""]);
    assert!(HeaderMap::default().is_empty());
}

fn odd_data() -> Vec<Returned> {
    let bytes = [
        Vec::new(),
        b"x".to_vec(),
        vec![0; 16],
        vec![0xff; 70],
        vec![b'['; 1 << 16],
        vec![0xff; 2 << 20],
    ];
    let mut data: Vec<_> = bytes.into_iter().map(Returned::Bytes).collect();
    data.extend([Returned::NoPointer, Returned::NoSize]);
    data
}
