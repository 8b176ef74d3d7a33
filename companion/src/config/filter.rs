//! `[filter]`: what `latchkey filter-config` prints beside what the companion itself is set to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, demand};
use crate::span::Span;

/// The companion does not look at these.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Where browsers without a credential are sent: a path of the app, or a page at an https origin.
    pub login_page: Option<String>,
    /// How old a gateway's knowledge of revocations may be.
    pub max_staleness: Span,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            login_page: None,
            max_staleness: Span::seconds(60),
        }
    }
}

impl Filter {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let is_page = |page: &String| {
            let is_there = page.starts_with('/') && !page.starts_with("//");
            (is_there || page.starts_with("https://"))
                && page
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"?#\"\\".contains(&byte))
        };
        demand(
            self.login_page.iter().all(is_page),
            "filter.login_page",
            "must be a path such as \"/login\", or a page at an https origin, without query",
        )?;
        let staleness = Duration::from_secs(5)..=Duration::from_secs(3_600);
        demand(
            staleness.contains(&self.max_staleness.get()),
            "filter.max_staleness",
            "must lie between 5s and 1h",
        )
    }
}
