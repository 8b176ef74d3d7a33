use crate::stack_with_alice;

/// FR-18: neither on protected nor on public paths, nor in what Envoy or the companion wrote.
#[test]
fn the_token_stays_at_the_gateway_and_out_of_all_logs() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let tokens = alice.login(&client).unwrap();
    for path in ["/orders", "/public/page"] {
        let answer = client.get(path).bearer(&tokens.access).send().unwrap();
        let answer = answer.expect(200, path).unwrap();
        assert!(answer.echoed("authorization").is_empty(), "{path}");
        assert!(!answer.text().contains(&tokens.access), "{path}");
    }
    let tokens = tokens.refresh(&client).unwrap();
    tokens
        .log_out(&client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();
    let logs = stack.envoy().unwrap().log() + &stack.companion().unwrap().log();
    assert!(!logs.is_empty());
    for secret in [&tokens.access, &tokens.refresh, &alice.password] {
        assert!(!logs.contains(secret.as_str()));
    }
    let signature = tokens.access.rsplit('.').next().unwrap();
    assert!(!logs.contains(signature));
}
