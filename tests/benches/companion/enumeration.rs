//! Whether the time of an answer tells who has an account (security requirements D6): so many calls of each kind in mixed order over one
//! connection. Told apart are two kinds whose medians differ by more than one per cent and 200 µs, where the test of Mann and Whitney says
//! that chance does not do that once in a million.

use serde_json::json;
use tests::client::{Answer, Client};
use tests::fault::Fault;
use tests::place;
use tests::ranks::{mann_whitney, median, quantile};
use tests::visitor::{Visitor, enter_code};
use tests::watch::Stopwatch;

use tests::server::Server;

/// Calls of each kind.
const CALLS: usize = 600;
/// Before the measurement.
const WARM_UP: usize = 20;
const LEAST_PROBABILITY: f64 = 1e-6;
const LEAST_SHARE: f64 = 0.01;
const LEAST_MICROSECONDS: f64 = 200.0;

/// One kind of caller; the first of a group is the one that the others are compared with.
struct Kind<'a> {
    name: &'a str,
    call: Box<dyn Fn(usize) -> Result<Answer, Fault> + 'a>,
    times: Vec<f64>,
}

fn kind<'a>(name: &'a str, call: impl Fn(usize) -> Result<Answer, Fault> + 'a) -> Kind<'a> {
    Kind {
        name,
        call: Box::new(call),
        times: Vec::new(),
    }
}

/// Measures all groups. Whether none tells its kinds apart.
pub(crate) fn run() -> Result<bool, Fault> {
    let server = Server::start(&place::program("latchkey")?)?;
    let client = server.client()?;
    let owner = server.account("owner")?;
    let all = CALLS + WARM_UP;
    for (name, is_active) in [("known", true), ("disabled", false)] {
        server.copy_account(&owner, name, all, is_active)?;
    }
    println!("\nWho has an account: {CALLS} calls of each kind in mixed order\n");
    println!(
        "{:<44} {:>10} {:>10} {:>10} {:>10}",
        "", "median µs", "p99 µs", "apart µs", "p"
    );
    let mut holds = true;
    for (title, mut kinds) in groups(&client, &owner)? {
        measure(&mut kinds)?;
        holds &= print(title, &kinds);
    }
    println!(
        "\n{}",
        if holds {
            "nobody is told apart"
        } else {
            "SOMEBODY IS TOLD APART"
        }
    );
    Ok(holds)
}

fn groups<'a>(
    client: &'a Client,
    owner: &'a Visitor,
) -> Result<Vec<(&'static str, Vec<Kind<'a>>)>, Fault> {
    let named = |name: &str, number: usize| Visitor {
        email: format!("{name}{number}@example.com"),
        password: owner.password.clone(),
    };
    let wrong = move |name: &str, number: usize| Visitor {
        password: "a wrong guess at it".to_owned(),
        ..named(name, number)
    };
    let recover = move |name: &str, number: usize| {
        let body = json!({ "purpose": "recovery", "email": named(name, number).email });
        client.post("/auth/v1/challenges").json(&body).send()
    };
    // The challenges of a known address and of one that nobody has.
    let challenges = ["known", "nobody"].map(|name| {
        let asked = (0..CALLS + WARM_UP).map(|number| recover(name, number));
        let ids = asked.map(|answer| answer.map(|answer| answer.string("/challenge_id")));
        ids.collect::<Result<Vec<_>, _>>()
    });
    let [known, unknown] = challenges;
    let (known, unknown) = (known?, unknown?);
    let code = |ids: Vec<String>| move |number: usize| enter_code(client, &ids[number], "no code");
    let resend = |ids: Vec<String>| {
        move |number: usize| {
            let path = format!("/auth/v1/challenges/{}/resend", ids[number]);
            client.post(&path).send()
        }
    };
    let login = move |visitor: Visitor| visitor.try_login(client);
    let sign_up = move |visitor: Visitor| visitor.sign_up(client);
    Ok(vec![
        (
            "login",
            vec![
                kind("unknown", move |number| login(wrong("nobody", number))),
                kind("known, wrong password", move |number| {
                    login(wrong("known", number))
                }),
                kind("disabled, right password", move |number| {
                    login(named("disabled", number))
                }),
            ],
        ),
        (
            "code",
            vec![
                kind("challenge of nobody", code(unknown.clone())),
                kind("challenge of somebody", code(known.clone())),
            ],
        ),
        (
            "resend",
            vec![
                kind("challenge of nobody", resend(unknown)),
                kind("challenge of somebody", resend(known)),
            ],
        ),
        (
            "recovery",
            vec![
                kind("unknown", move |number| recover("stranger", number)),
                kind("known", move |number| recover("known", number)),
                kind("disabled", move |number| recover("disabled", number)),
            ],
        ),
        (
            "sign-up",
            vec![
                kind("unknown", move |number| sign_up(named("newcomer", number))),
                kind("known", move |number| sign_up(named("known", number))),
            ],
        ),
    ])
}

fn measure(kinds: &mut [Kind<'_>]) -> Result<(), Fault> {
    let mut order = Order::new();
    let mut first = None;
    for number in 0..WARM_UP + CALLS {
        for at in order.next(kinds.len()) {
            let kind = &mut kinds[at];
            let watch = Stopwatch::start();
            let answer = (kind.call)(number)?;
            let time = watch.elapsed().as_secs_f64() * 1e6;
            // An answer that differs is a fault of another kind; the tests compare all bytes.
            let status = *first.get_or_insert(answer.status);
            if answer.status != status {
                let text = answer.text();
                return Err(Fault::new(format!(
                    "{}: {} {text}",
                    kind.name, answer.status
                )));
            }
            if number >= WARM_UP {
                kind.times.push(time);
            }
        }
    }
    Ok(())
}

/// Prints a row for each kind. Whether none is told apart from the first.
fn print(title: &str, kinds: &[Kind<'_>]) -> bool {
    let base = &kinds[0].times;
    let mut holds = true;
    for kind in kinds {
        let (middle, apart) = (median(&kind.times), median(&kind.times) - median(base));
        let probability = mann_whitney(&kind.times, base);
        let is_apart = apart.abs() > LEAST_MICROSECONDS.max(median(base) * LEAST_SHARE)
            && probability < LEAST_PROBABILITY;
        println!(
            "{:<44} {middle:>10.0} {:>10.0} {apart:>10.0} {probability:>10.1e} {}",
            format!("{title}: {}", kind.name),
            quantile(&kind.times, 0.99),
            if is_apart { "TOLD APART" } else { "" }
        );
        holds &= !is_apart;
    }
    holds
}

/// A random order for each round.
struct Order(u64);

impl Order {
    fn new() -> Self {
        let mut seed = [0; 8];
        getrandom::getrandom(&mut seed).expect("randomness");
        Self(u64::from_le_bytes(seed) | 1)
    }

    /// Marsaglia's xorshift: any order will do that has nothing to do with what is measured.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound
    }

    fn next(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..count).collect();
        for at in (1..count).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}
