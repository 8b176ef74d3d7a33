//! What became of a request in one of the four runs, and whether it is what the row says.

use crate::request::Request;
use crate::row::{Expected, Known, Own, Row};

/// Where a row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// On the pure rules.
    Native,
    /// On the built module in the proxy-wasm host.
    Module,
    /// On Envoy over HTTP/1.1.
    Http1,
    /// On Envoy over HTTP/2.
    Http2,
}

/// What became of a request. Names of headers are lower-case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It reached the app.
    App {
        /// Its headers there.
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        /// Its trailers there, in runs that show them.
        trailers: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    },
    /// It was answered on the way.
    Answer {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        /// `code` of the problem document; empty where the content is none.
        code: String,
    },
    /// The connection or stream ended without an answer, or the filter trapped.
    Broken(String),
}

impl Row {
    /// What is wrong with the outcome of this run, if anything is.
    pub fn fault(&self, run: Run, outcome: &Outcome) -> Option<String> {
        let own = match run {
            Run::Native | Run::Module => None,
            Run::Http1 => self.http1.as_ref(),
            Run::Http2 => self.http2.as_ref(),
        };
        let is_on_envoy = matches!(run, Run::Http1 | Run::Http2);
        let fault = match (own, outcome) {
            (Some(Own::Status(wanted)), Outcome::Answer { status, code, .. }) => (status != wanted
                || !code.is_empty())
            .then(|| format!("Envoy itself must answer {wanted}")),
            (Some(Own::Reset), Outcome::Broken(_)) => None,
            (Some(Own::Status(_) | Own::Reset), _) => Some(format!("Envoy itself must {own:?}")),
            (Some(Own::Decides(expected)), _) => self.compare(expected, outcome, is_on_envoy),
            (None, _) => self.compare(&self.expected, outcome, is_on_envoy),
        };
        fault.map(|fault| {
            let wanted =
                own.map_or_else(|| format!("{:?}", self.expected), |own| format!("{own:?}"));
            format!(
                "{run:?}: {} ({:?}, {:?}): {fault}\n    wanted {wanted}\n    got {}",
                self.name,
                self.configuration,
                self.state,
                outcome.text()
            )
        })
    }

    fn compare(&self, expected: &Expected, outcome: &Outcome, is_on_envoy: bool) -> Option<String> {
        match (expected, outcome) {
            (Expected::Pass(known), Outcome::App { headers, trailers }) => self
                .target_fault(known, headers)
                .or_else(|| known.fault(headers))
                .or_else(|| known.trailer_fault(trailers.as_deref())),
            (
                Expected::Answer {
                    status,
                    code,
                    challenge,
                    location,
                },
                Outcome::Answer {
                    status: got,
                    headers,
                    code: got_code,
                },
            ) => {
                let is_grpc = is_on_envoy && self.request.is_grpc();
                let has_no_body = self.request.method == "HEAD" || is_grpc;
                let challenge = challenge.as_ref().map(|attributes| {
                    format!(
                        "Bearer realm=\"{}\"{attributes}",
                        self.configuration.realm()
                    )
                });
                let wanted_status = if is_grpc { 200 } else { *status };
                let says = |name: &str, wanted: Option<&str>| {
                    let values = values(headers, name);
                    let wanted: Vec<_> = wanted.map(str::as_bytes).into_iter().collect();
                    (values != wanted).then(|| format!("{name}: wanted {wanted:?}"))
                };
                if *got != wanted_status {
                    return Some("the status is another".to_owned());
                }
                if !has_no_body && got_code != code {
                    return Some("the code of the problem is another".to_owned());
                }
                let grpc_status = is_grpc.then(|| grpc_status(*status));
                says("www-authenticate", challenge.as_deref())
                    .or_else(|| says("location", location.as_deref()))
                    .or_else(|| says("grpc-status", grpc_status))
                    .or_else(|| {
                        let is_silent = values(headers, "retry-after").is_empty();
                        (*status == 503 && is_silent).then(|| "no retry-after".to_owned())
                    })
            }
            (Expected::Pass(_), _) => Some("it must reach the app".to_owned()),
            (Expected::Answer { .. }, _) => Some("the filter must answer it".to_owned()),
        }
    }
}

impl Row {
    /// FR-07: the decision and the app are about one path.
    fn target_fault(&self, known: &Known, headers: &[(Vec<u8>, Vec<u8>)]) -> Option<String> {
        let sent = self.request.target.as_deref().unwrap_or_default();
        let wanted = known.target.map_or(sent, str::as_bytes);
        let got = values(headers, ":path");
        (got != [wanted]).then(|| format!("the app gets another target than {}", text(wanted)))
    }
}

impl Known {
    fn fault(&self, headers: &[(Vec<u8>, Vec<u8>)]) -> Option<String> {
        let mut reserved: Vec<_> = headers
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .filter(|(name, _)| self.is_reserved(name))
            .collect();
        reserved.sort();
        let stale = reserved.iter().position(|(name, _)| name == "x-auth-stale");
        let age = stale.map(|at| reserved.remove(at).1);
        if age
            .as_ref()
            .is_some_and(|age| !age.parse().is_ok_and(|age: u64| age > 5))
            || age.is_some() != self.is_stale
        {
            return Some("x-auth-stale is wrong".to_owned());
        }
        if reserved != self.identity {
            return Some(format!("identity is {reserved:?}"));
        }
        if values(headers, "authorization") != self.authorization {
            return Some("authorization is another".to_owned());
        }
        let cookies: Vec<_> = values(headers, "cookie")
            .into_iter()
            .flat_map(|line| line.split(|byte| *byte == b';'))
            .map(|cookie| text(cookie.trim_ascii()))
            .filter(|cookie| !cookie.is_empty())
            .collect();
        if cookies != self.cookies {
            return Some(format!("the cookies are {cookies:?}"));
        }
        let wrong = self.others.iter().find(|(name, wanted)| {
            let wanted: Vec<_> = wanted.iter().map(|value| value.as_bytes()).collect();
            values(headers, name) != wanted
        });
        wrong.map(|(name, _)| format!("{name} is another"))
    }

    /// Under any spelling; the mark of the interlock is for Envoy alone, and gone before the app.
    fn is_reserved(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
        let is_mapped = ["remote-user", "x-client-id"].contains(&name.as_str());
        name.starts_with("x-auth-") || is_mapped
    }

    fn trailer_fault(&self, trailers: Option<&[(Vec<u8>, Vec<u8>)]>) -> Option<String> {
        let trailers = trailers?;
        let wanted = self.trailers.iter();
        let wanted: Vec<_> = wanted
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        (wanted != trailers).then(|| "the trailers are others".to_owned())
    }
}

impl Outcome {
    fn text(&self) -> String {
        let lines = |headers: &[(Vec<u8>, Vec<u8>)]| {
            let mut text = String::new();
            for (name, value) in headers {
                let value: String = value.escape_ascii().to_string().chars().take(120).collect();
                text += &format!("\n      {}: {value}", name.escape_ascii());
            }
            text
        };
        match self {
            Self::App { headers, .. } => format!("app{}", lines(headers)),
            Self::Answer {
                status,
                headers,
                code,
            } => format!("{status} {code}{}", lines(headers)),
            Self::Broken(why) => format!("broken: {why}"),
        }
    }
}

impl Request {
    /// Headers as Envoy's filters see them in the proxy-wasm host and in the pure rules: repeats of those that it keeps at fixed places
    /// joined.
    pub fn as_envoy_keeps_it(&self, join: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut kept: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, value) in self.fields() {
            let held = kept.iter_mut().find(|(held, _)| *held == name);
            match held {
                Some((_, held)) if join.contains(&name.as_slice()) => {
                    held.push(b',');
                    held.extend(value);
                }
                _ => kept.push((name, value)),
            }
        }
        kept
    }
}

/// Envoy's mapping of the status of a local reply (gRPC's `http-grpc-status-mapping`).
const fn grpc_status(status: u16) -> &'static str {
    match status {
        400 => "13",
        401 => "16",
        403 => "7",
        503 => "14",
        _ => "2",
    }
}

fn values<'a>(headers: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Vec<&'a [u8]> {
    let of_name = headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
    of_name.map(|(_, value)| value.as_slice()).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
