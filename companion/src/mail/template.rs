//! One text with placeholders, `{{ name }}`, and nothing else that is special. Which placeholders there may be is known beforehand.

use std::fmt::Write as _;

/// What may stand in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    /// What the operator calls his service.
    Product,
    /// Where it is reached: the configured one, never what a request says (OT-12).
    BaseUrl,
    /// For how many minutes a code opens.
    Minutes,
    /// The six digits.
    Code,
    /// The long code of a recovery.
    LongCode,
    /// In the layout of the HTML parts: the part itself.
    Body,
}

use Placeholder::{BaseUrl, Body, Code, LongCode, Minutes, Product};

impl Placeholder {
    const ALL: [Self; 6] = [Product, BaseUrl, Minutes, Code, LongCode, Body];

    /// Its name between the braces.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Product => "product",
            BaseUrl => "base_url",
            Minutes => "minutes",
            Code => "code",
            LongCode => "long_code",
            Body => "body",
        }
    }
}

/// A template that was read.
pub(super) struct Template(Vec<Piece>);

enum Piece {
    Text(String),
    Value(Placeholder),
}

/// How a value is put into the text.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// With the five characters escaped that mean something in HTML; the body of a layout is HTML already.
    Html,
}

impl Template {
    /// Reads a text in which every one of `needed` must stand, and none but these and `allowed` may.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(
        text: &str,
        needed: &[Placeholder],
        allowed: &[Placeholder],
    ) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or("has a {{ without its }}")?;
            let name = name.trim();
            let found = Placeholder::ALL
                .into_iter()
                .find(|placeholder| placeholder.name() == name)
                .filter(|placeholder| needed.contains(placeholder) || allowed.contains(placeholder))
                .ok_or_else(|| {
                    format!("has the placeholder {{{{ {name} }}}}, which this mail does not have")
                })?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Value(found));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let template = Self(pieces);
        match needed.iter().find(|needed| !template.has(**needed)) {
            Some(missing) => Err(format!(
                "lacks the placeholder {{{{ {} }}}}",
                missing.name()
            )),
            None => Ok(template),
        }
    }

    fn has(&self, wanted: Placeholder) -> bool {
        let is_it = |piece: &Piece| matches!(piece, Piece::Value(found) if *found == wanted);
        self.0.iter().any(is_it)
    }

    /// The text with its values.
    pub(super) fn fill<'a>(&self, form: Form, value: impl Fn(Placeholder) -> &'a str) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value(name) => match form {
                    Form::Html if *name != Body => escape(value(*name), &mut text),
                    Form::Html | Form::Plain => text.push_str(value(*name)),
                },
            }
        }
        text
    }
}

fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing into a string does not fail.
                let _ = write!(text, "&#{};", u32::from(character));
            }
            _ => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, form: Form) -> String {
        let template = Template::read(text, &[Code], &[Product, Body])
            .map_err(|_| ())
            .unwrap();
        template.fill(form, |name| match name {
            Code => "012345",
            Product => "<b>A & \"B\"'s</b>",
            Body => "<p>",
            _ => "",
        })
    }

    #[test]
    fn placeholders_are_filled_and_html_is_escaped() {
        assert_eq!(
            filled("{{code}} of {{ product }}} {", Form::Plain),
            "012345 of <b>A & \"B\"'s</b>} {"
        );
        assert_eq!(
            filled("{{ body }}{{ code }} {{ product }}", Form::Html),
            "<p>012345 &#60;b&#62;A &#38; &#34;B&#34;&#39;s&#60;/b&#62;"
        );
    }

    #[test]
    fn an_unknown_a_missing_and_an_open_placeholder_are_named() {
        let problem = |text| {
            Template::read(text, &[Code], &[Product])
                .map(drop)
                .unwrap_err()
        };
        assert!(problem("{{ code }} {{ cod }}").contains("{{ cod }}"));
        assert!(problem("{{ code }} {{ minutes }}").contains("{{ minutes }}"));
        assert!(problem("{{ product }}").contains("lacks the placeholder {{ code }}"));
        assert!(problem("{{ code }} {{ product").contains("without its }}"));
    }
}
