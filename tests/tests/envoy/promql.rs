//! As much of PromQL as the shipped expressions use. What it does not know it refuses, so that it can be trusted in what it takes.

use std::collections::BTreeSet;

const AGGREGATIONS: [&str; 4] = ["sum", "max", "min", "count"];
/// What takes a range, and what takes an instant.
const OVER_TIME: [&str; 2] = ["rate", "increase"];
const OF_INSTANT: [&str; 2] = ["absent", "vector"];
/// Every binary operator, longest first.
const OPERATORS: [&str; 13] = [
    "unless", "and", "or", "==", "!=", ">=", "<=", ">", "<", "+", "-", "*", "/",
];

/// A metric that an expression asks for, with its matchers: label, operator, text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<(String, String, String)>,
}

/// All metrics of an expression.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn selectors(expression: &str) -> Result<BTreeSet<Selector>, String> {
    let mut parser = Parser {
        rest: expression,
        found: BTreeSet::new(),
    };
    parser.expression()?;
    match parser.rest.trim_start() {
        "" => Ok(parser.found),
        rest => Err(format!("unexpected: {rest}")),
    }
}

struct Parser<'a> {
    rest: &'a str,
    found: BTreeSet<Selector>,
}

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Result<(), String> {
        self.operand()?;
        while let Some(operator) = OPERATORS.iter().find(|operator| self.take(operator)) {
            if self.take("on") || self.take("ignoring") {
                self.labels()?;
                if self.take("group_left") || self.take("group_right") {
                    self.labels()?;
                }
            } else if self.rest.trim_start().starts_with("group_") {
                return Err(format!("grouping without labels after {operator}"));
            }
            self.operand()?;
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<(), String> {
        if self.take("(") {
            self.expression()?;
            return self.must("(", ")");
        }
        let word = self.word();
        if word.is_empty() {
            return Err(format!("an operand is missing: {}", self.rest));
        }
        if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            return match word.parse::<f64>() {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{word}: {error}")),
            };
        }
        if AGGREGATIONS.contains(&word) {
            if self.take("by") || self.take("without") {
                self.labels()?;
            }
            self.must(word, "(")?;
            self.expression()?;
            return self.must(word, ")");
        }
        if OVER_TIME.contains(&word) {
            self.must(word, "(")?;
            let metric = self.word();
            self.selector(metric)?;
            self.range()?;
            return self.must(word, ")");
        }
        if word == "histogram_quantile" {
            self.must(word, "(")?;
            self.operand()?;
            self.must(word, ",")?;
            self.expression()?;
            return self.must(word, ")");
        }
        if OF_INSTANT.contains(&word) {
            self.must(word, "(")?;
            self.expression()?;
            return self.must(word, ")");
        }
        if self.rest.trim_start().starts_with('(') {
            return Err(format!("{word} is no function that is known here"));
        }
        self.selector(word)
    }

    fn selector(&mut self, metric: &str) -> Result<(), String> {
        if !metric.starts_with(|letter: char| letter.is_ascii_lowercase()) {
            return Err(format!("{metric:?} is no name of a metric"));
        }
        let mut matchers = Vec::new();
        if self.take("{") {
            while !self.take("}") {
                let label = self.word().to_owned();
                let operator = ["=~", "!~", "!=", "="].iter().find(|sign| self.take(sign));
                let operator = operator.ok_or("a matcher without operator")?;
                matchers.push((label, (*operator).to_owned(), self.text()?));
                if !self.take(",") && !self.rest.trim_start().starts_with('}') {
                    return Err(format!("matchers do not end: {}", self.rest));
                }
            }
        }
        let metric = metric.to_owned();
        self.found.insert(Selector { metric, matchers });
        Ok(())
    }

    fn range(&mut self) -> Result<(), String> {
        self.must("a range", "[")?;
        let span = self.word();
        let number = span.trim_end_matches(['s', 'm', 'h', 'd']);
        if span.len() != number.len() + 1 || number.parse::<u32>().is_err() {
            return Err(format!("{span:?} is no duration"));
        }
        self.must("a range", "]")
    }

    fn labels(&mut self) -> Result<(), String> {
        self.must("labels", "(")?;
        while !self.take(")") {
            if self.word().is_empty() {
                return Err(format!("labels do not end: {}", self.rest));
            }
            self.take(",");
        }
        Ok(())
    }

    fn text(&mut self) -> Result<String, String> {
        self.must("a text", "\"")?;
        let (text, rest) = self.rest.split_once('"').ok_or("a text does not end")?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Takes a sign, or a word as a whole.
    fn take(&mut self, expected: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(expected) else {
            return false;
        };
        let is_word = expected.ends_with(|letter: char| letter.is_ascii_lowercase());
        let goes_on = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if is_word && rest.starts_with(goes_on) {
            return false;
        }
        self.rest = rest;
        true
    }

    fn must(&mut self, what: &str, expected: &str) -> Result<(), String> {
        match self.take(expected) {
            true => Ok(()),
            false => Err(format!("{what}: {expected} is missing at {:?}", self.rest)),
        }
    }
}

#[test]
fn expressions_that_prometheus_refuses_are_refused() {
    for good in [
        "a",
        "absent(a)",
        "sum by (x, y) (rate(a{x=\"1\", y=~\"2|3\"}[5m])) / (sum(b) + c) > 0.01",
        "(max by (job) (a) - on (job) group_right () a) > 0",
        "increase(a[1m]) > 0\n  or increase(b[10m]) > 0",
        "origin or vector(0)",
    ] {
        selectors(good).unwrap_or_else(|fault| panic!("{good}: {fault}"));
    }
    for bad in [
        "",
        "a >",
        "> 1",
        "a b",
        "(a",
        "a)",
        "rate(a)",
        "rate(a[5])",
        "rate(a[5m]",
        "a[5m]",
        "sum by x (a)",
        "a{x}",
        "a{x=\"1}",
        "a{x=\"1\" y=\"2\"}",
        "a - group_right () b",
        "median(a)",
        "rate(a[5x])",
        "a == = b",
    ] {
        assert!(selectors(bad).is_err(), "{bad}");
    }
    let found = selectors("rate(a{x=\"1\"}[5m]) / b").unwrap();
    let names: Vec<_> = found.iter().map(|found| found.metric.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}
