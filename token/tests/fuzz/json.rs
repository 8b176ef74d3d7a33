//! Strict JSON.

use serde_json::Value;
use token::strict_json;

use crate::second_json::Json;

/// TV-15: the second reader takes the same texts and sees the same document.
#[test]
fn text() {
    bolero::check!().with_iterations(512).for_each(|text| {
        let ours = strict_json(text).ok();
        let second = Json::read(text);
        assert_eq!(ours.is_some(), second.is_some());
        if let (Some(ours), Some(second)) = (ours, second) {
            assert!(is_same(&ours, &second), "{ours}");
            let written = Json::read(ours.to_string().as_bytes()).unwrap();
            assert!(is_same(&ours, &written), "{ours}");
        }
    });
}

fn is_same(ours: &Value, second: &Json) -> bool {
    match (ours, second) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(ours), Json::Bool(second)) => ours == second,
        (Value::String(ours), Json::Text(second)) => ours == second,
        (Value::Number(ours), Json::Number(second)) => match ours.as_i64() {
            Some(ours) => second.parse() == Ok(ours),
            // Rounding the last bit of a double is nobody's business here.
            None => {
                let (ours, second): (f64, f64) = (ours.as_f64().unwrap(), second.parse().unwrap());
                (ours - second).abs() <= second.abs() * 1e-14
            }
        },
        (Value::Array(ours), Json::List(second)) => {
            ours.len() == second.len()
                && ours
                    .iter()
                    .zip(second)
                    .all(|(ours, second)| is_same(ours, second))
        }
        (Value::Object(ours), Json::Object(second)) => {
            ours.len() == second.len()
                && second
                    .iter()
                    .all(|(name, second)| ours.get(name).is_some_and(|ours| is_same(ours, second)))
        }
        _ => false,
    }
}
