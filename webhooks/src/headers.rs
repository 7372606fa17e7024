//! The headers of a request, whatever library read them.

/// Read access to the headers of one request. Names are given in lower case and match without regard to case.
pub trait Headers {
    /// The value of the first header of this name.
    fn get(&self, name: &str) -> Option<&[u8]>;

    /// How many headers of this name came. Two signatures are refused rather than one of them chosen.
    fn count(&self, name: &str) -> usize;
}

impl Headers for &[(&str, &str)] {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes())
    }

    fn count(&self, name: &str) -> usize {
        self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count()
    }
}

impl<const N: usize> Headers for [(&str, &str); N] {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes())
    }

    fn count(&self, name: &str) -> usize {
        Headers::count(&self.as_slice(), name)
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(K, V)> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(key, _)| key.as_ref().eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    fn count(&self, name: &str) -> usize {
        self.iter().filter(|(key, _)| key.as_ref().eq_ignore_ascii_case(name)).count()
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        http::HeaderMap::get(self, name).map(http::HeaderValue::as_bytes)
    }

    fn count(&self, name: &str) -> usize {
        self.get_all(name).iter().count()
    }
}
