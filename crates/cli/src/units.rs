//! Durations and sizes as people write them.

use std::time::Duration;

/// `5s`, `250ms`, `2m`, `1.5s`; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is not a duration: write 5s, 250ms or 2m");
    let (number, unit) = split(text);
    let number: f64 = number.parse().map_err(|_| refuse())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(refuse()),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(refuse()),
    }
}

/// `256MiB`, `1GB`, `64K`; a number alone is bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is not a size: write 256MiB, 1GB or a number of bytes");
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(refuse()),
    };
    let number: u64 = number.parse().map_err(|_| refuse())?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is more than {} bytes", u64::MAX))
}

/// How long ago something was, in its largest unit.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let ages = [0, 119, 120, 7199, 7200, 172_799, 172_800].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "5x", "-1s", "0s", "nan", "1e99h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("5 parsecs"), Err("`5 parsecs` is not a duration: write 5s, 250ms or 2m".into()));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("256MiB"), Ok(256 << 20));
        assert_eq!(size("1 GB"), Ok(1_000_000_000));
        assert_eq!(size("64k"), Ok(64 << 10));
        assert_eq!(size("7"), Ok(7));
        for bad in ["", "MiB", "1.5GiB", "-1", "99999999999GiB", "5 apples"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
