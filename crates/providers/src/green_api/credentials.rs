//! How we show Green-API who we are.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use crate::base_url::BaseUrl;
use crate::credentials::UnusableCredentials;

/// The domains of Green-API, whose hosts are named after groups of instances: `7103.api.green-api.com`.
const DOMAINS: [&str; 2] = ["green-api.com", "greenapi.com"];

/// An instance and its token.
#[derive(Clone)]
pub struct GreenApiCredentials {
    pub(super) instance: u64,
    pub(super) token: SecretString,
    pub(super) api: BaseUrl,
}

impl GreenApiCredentials {
    /// `apiTokenInstance` of the instance `idInstance`.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when the token is empty or has characters that no token has.
    pub fn new(instance: u64, token: &SecretString) -> Result<Self, UnusableCredentials> {
        UnusableCredentials::check_token("api_token_instance", token)?;
        Ok(Self {
            instance,
            token: token.clone(),
            api: BaseUrl::known("https://api.green-api.com"),
        })
    }

    /// With the host that the console shows for the instance as `apiUrl`.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when it is no host of Green-API: the token goes there.
    pub fn with_api_url(self, url: &str) -> Result<Self, UnusableCredentials> {
        let unusable = || UnusableCredentials::new("api_url", "must be https on a host of Green-API");
        let url = Url::parse(url).map_err(|_| unusable())?;
        let host = url.host_str().unwrap_or_default();
        let is_theirs = DOMAINS.iter().any(|domain| {
            let name = host.strip_suffix(domain);
            name.is_some_and(|name| name.is_empty() || name.ends_with('.'))
        });
        if !is_theirs || url.scheme() != "https" || url.port().is_some() {
            return Err(unusable());
        }
        Ok(Self {
            api: BaseUrl::parse(url.as_str()).map_err(|_| unusable())?,
            ..self
        })
    }

    /// What may be shown of it: the instance.
    #[must_use]
    pub fn preview(&self) -> String {
        self.instance.to_string()
    }
}

/// Shows what [`preview`](Self::preview) does.
impl fmt::Debug for GreenApiCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GreenApiCredentials({})", self.preview())
    }
}
