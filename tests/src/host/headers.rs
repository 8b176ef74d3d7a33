//! Header maps as Envoy keeps them, and their form on the ABI. Bytes, not text. Knows no wasmtime.

/// Headers in the order in which they came. Names are lower-case, as Envoy keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap(Vec<(Vec<u8>, Vec<u8>)>);

/// Envoy keeps these at fixed places: a repeat is joined to the first with a comma.
const INLINE: [&[u8]; 16] = [
    b":authority",
    b":method",
    b":path",
    b":protocol",
    b":scheme",
    b"authorization",
    b"connection",
    b"content-length",
    b"content-type",
    b"expect",
    b"host",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"x-forwarded-for",
];

impl HeaderMap {
    /// Adds a header as the codec does: a repeat of an inline header is joined to it, any other is kept beside it.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref().to_ascii_lowercase(), value.as_ref());
        let joined = INLINE.contains(&name.as_slice());
        match self.0.iter_mut().find(|(held, _)| *held == name) {
            Some((_, held)) if joined => {
                held.push(b',');
                held.extend_from_slice(value);
            }
            _ => self.0.push((name, value.to_vec())),
        }
    }

    /// The first value only: what a single get returns on Envoy.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Every value of the name.
    pub fn all(&self, name: impl AsRef<[u8]>) -> impl Iterator<Item = &[u8]> {
        let name = name.as_ref().to_ascii_lowercase();
        self.0
            .iter()
            .filter(move |(held, _)| *held == name)
            .map(|(_, value)| value.as_slice())
    }

    /// Sets the one value of the name.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref().to_ascii_lowercase();
        match self.0.iter().position(|(held, _)| *held == name) {
            Some(at) => {
                let place = self.0[..at].to_vec();
                let rest = self.0[at + 1..].iter().filter(|(held, _)| *held != name);
                let rest = rest.cloned().collect::<Vec<_>>();
                self.0 = place;
                self.0.push((name, value.as_ref().to_vec()));
                self.0.extend(rest);
            }
            None => self.0.push((name, value.as_ref().to_vec())),
        }
    }

    /// Removes every value of the name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref().to_ascii_lowercase();
        self.0.retain(|(held, _)| *held != name);
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form of the ABI: count, sizes, then each name and value with a zero byte behind it.
    pub(crate) fn to_pairs(&self) -> Vec<u8> {
        let mut out = size(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            out.extend(size(name.len()));
            out.extend(size(value.len()));
        }
        for (name, value) in &self.0 {
            for part in [name, value] {
                out.extend_from_slice(part);
                out.push(0);
            }
        }
        out
    }

    /// Reads the form of the ABI; nothing is joined. `None` when it is cut short.
    pub(crate) fn from_pairs(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        let count = number(0)?;
        let mut at = count.checked_mul(8)?.checked_add(4)?;
        let mut part = |size: usize| {
            let part = bytes.get(at..at.checked_add(size)?)?.to_vec();
            at += size + 1;
            Some(part)
        };
        (0..count)
            .map(|pair| {
                let name = part(number(4 + 8 * pair)?)?;
                let value = part(number(8 + 8 * pair)?)?;
                Some((name.to_ascii_lowercase(), value))
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut map = Self::default();
        for (name, value) in headers {
            map.add(name, value);
        }
        map
    }
}

fn size(size: usize) -> [u8; 4] {
    u32::try_from(size)
        .expect("a header of less than 4 GiB")
        .to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_joined_for_inline_headers_only() {
        let map = HeaderMap::from_iter([
            ("Authorization", "Bearer A"),
            ("x-role", "first"),
            ("authorization", "Bearer B"),
            ("x-role", "second"),
        ]);
        assert_eq!(map.get("authorization").unwrap(), b"Bearer A,Bearer B");
        assert_eq!(map.get("x-role").unwrap(), b"first");
        assert_eq!(map.all("x-role").count(), 2);
    }

    #[test]
    fn replacing_leaves_one_value_and_removing_none() {
        let mut map = HeaderMap::from_iter([("a", "1"), ("b", "2"), ("a", "3")]);
        map.replace("A", "4");
        assert_eq!(map, HeaderMap::from_iter([("a", "4"), ("b", "2")]));
        map.remove("a");
        map.replace("c", "5");
        assert_eq!(map, HeaderMap::from_iter([("b", "2"), ("c", "5")]));
    }

    #[test]
    fn pairs_are_read_as_they_were_written() {
        let map = HeaderMap::from_iter([("a", &b"\xff\xfe"[..]), ("b", b""), ("a", b"c")]);
        let bytes = map.to_pairs();
        assert_eq!(HeaderMap::from_pairs(&bytes), Some(map));
        for end in 0..bytes.len() - 1 {
            assert_eq!(HeaderMap::from_pairs(&bytes[..end]), None);
        }
    }
}
