//! What the first start prints: the first user's secrets, and commands for the whole flow.

use secrecy::ExposeSecret;

use crate::data::FirstUser;

/// Writes the secrets and, with the sandbox, the commands, for a broker at `base`. Without it they would
/// need a real app's key and secret.
pub(crate) fn text(base: &str, first: &FirstUser, path: &std::path::Path, sandbox: bool) -> String {
    let (user, organization) = (first.user_secret.expose_secret(), first.organization_secret.expose_secret());
    let secrets = format!(
        "The first user's secrets, printed this once (also in {}):\n\n  User          {user}\n  Organization  {organization}\n",
        path.display()
    );
    if sandbox { format!("{secrets}\n{}", flow(base, user, organization)) } else { secrets }
}

fn flow(base: &str, user: &str, organization: &str) -> String {
    format!(
        r#"The whole flow, to paste into another terminal:

  # 1. Ask for the redirect URL.
  API={base}/elements/api-v2
  AUTH='Authorization: User {user}, Organization {organization}'
  URL=$(curl -s "$API/elements/infusionsoftcrm/oauth/url?apiKey=my-key&apiSecret=my-secret&callbackUrl={base}/sandbox/callback" | sed 's/.*"oauthUrl":"\([^"]*\)".*/\1/')
  echo "$URL"

  # 2. Consent: open that URL in a browser and press Allow, or press it from here.
  CODE=$(curl -s -o /dev/null -w '%{{redirect_url}}' -d decision=allow "$URL" | sed 's/.*[?&]code=\([^&]*\).*/\1/')

  # 3. Turn the code into an instance.
  INSTANCE=$(curl -s "$API/instances" -H "$AUTH" -H 'Content-Type: application/json' -d '{{"element":{{"key":"infusionsoftcrm"}},"providerData":{{"code":"'"$CODE"'"}},"configuration":{{"oauth.api.key":"my-key","oauth.api.secret":"my-secret","oauth.callback.url":"{base}/sandbox/callback"}},"name":"My first instance"}}')
  echo "$INSTANCE"

  # 4. Take its live access token.
  ID=$(echo "$INSTANCE" | sed 's/^{{"id":\([0-9]*\).*/\1/')
  TOKEN=$(curl -s "$API/instances/$ID/access-token" -H "$AUTH" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

  # 5. Call the vendor's API with it.
  curl -s {base}/sandbox/crm/rest/v1/oauth/connect/userinfo -H "Authorization: Bearer $TOKEN"
"#
    )
}
