//! What kind of device a user agent says that it is, for the list of sessions. It is what the device says of itself, never a proof.
//!
//! Small on purpose. The libraries that there are either carry thousands of patterns, which go stale, or have seen no release for years;
//! and browsers tell less and less. So: the few words that tell anything, and nothing where they say nothing.

/// Browsers and clients by the word that gives them away, the first that is there: most browsers also name those that they descend from.
const PROGRAMS: [(&str, &str); 22] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("PostmanRuntime/", "Postman"),
    ("python-requests/", "Python"),
    ("Python-urllib/", "Python"),
    ("okhttp/", "OkHttp"),
    ("CFNetwork/", "Apple app"),
    ("Go-http-client/", "Go"),
    ("axios/", "axios"),
];

/// Systems, in the same way: Android names Linux too, iPads and iPhones name Mac OS X.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Darwin/", "Apple device"),
    ("Linux", "Linux"),
];

/// The device in a few words, such as `Firefox on Linux`; `None` where nothing is known.
pub fn device(user_agent: &str) -> Option<String> {
    let program = named(user_agent, &PROGRAMS);
    let system = named(user_agent, &SYSTEMS);
    match (program, system) {
        (Some(program), Some(system)) => Some(format!("{program} on {system}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

fn named(user_agent: &str, words: &[(&str, &'static str)]) -> Option<&'static str> {
    let mut words = words.iter();
    words
        .find(|(word, _)| user_agent.contains(word))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_devices_are_told_apart() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPad",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("curl/8.5.0", "curl"),
            (
                "Example/7 CFNetwork/3826.500.131 Darwin/24.5.0",
                "Apple app on Apple device",
            ),
        ] {
            assert_eq!(
                device(user_agent).as_deref(),
                Some(expected),
                "{user_agent}"
            );
        }
        for unknown in ["", "x", "Mozilla/5.0", "firefox/140.0"] {
            assert_eq!(device(unknown), None, "{unknown}");
        }
    }
}
