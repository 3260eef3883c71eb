package bearerguard

import (
	"fmt"
	"net/url"
	"strings"
)

// provider guesses from its URL whose issuer it is: the name of the profile, and the code that makes it.
func (t *trust) provider() (name, constructor string) {
	u, err := url.Parse(t.url)
	if err != nil {
		return "", ""
	}
	host := u.Hostname()
	switch {
	case strings.Contains(u.Path, "/realms/"):
		return "keycloak", `Keycloak("your-client-id")`
	case strings.HasSuffix(host, ".auth0.com"):
		return "auth0", "Auth0()"
	case isOktaHost(host) && strings.HasPrefix(u.Path, "/oauth2/"):
		return "okta", "Okta()"
	case host == "login.microsoftonline.com":
		return "entra-v2", `EntraV2("your-tenant-id")`
	case host == "sts.windows.net":
		return "entra-v1", `EntraV1("your-tenant-id")`
	case strings.HasPrefix(host, "cognito-idp."):
		return "cognito", `Cognito("your-client-id")`
	case host == "token.actions.githubusercontent.com":
		return "github-actions", `GitHubActions("your-organization")`
	}
	return "", ""
}

func isOktaHost(host string) bool {
	return strings.HasSuffix(host, ".okta.com") || strings.HasSuffix(host, ".oktapreview.com") || strings.HasSuffix(host, ".okta-emea.com")
}

// advise adds to a refusal what the operator may have to set. Only for tokens with a good signature: whoever sends the
// others must not be able to suggest something to the operator.
func (t *trust) advise(err error) error {
	name, constructor := t.provider()
	switch {
	case name != "" && name != t.shape.name:
		return fmt.Errorf("%w; if it is an access token of the provider, set Issuer.Profile = bearerguard.%s", err, constructor)
	case name == "" && t.shape.name == "" && len(t.shape.types) == 0:
		return fmt.Errorf("%w; if the issuer's access tokens are like this one, say so in Issuer.Profile, for instance by bearerguard.PlainJWT(claim, value)", err)
	}
	return err
}

// adviseAudience is for tokens without aud, which two providers issue as a rule. It says no more than the configuration.
func (t *trust) adviseAudience(err error) error {
	switch name, constructor := t.provider(); {
	case name == "cognito" && t.shape.name != name:
		return fmt.Errorf("%w; Cognito has none by default: set Issuer.Profile = bearerguard.%s", err, constructor)
	case name == "keycloak":
		return fmt.Errorf("%w; Keycloak has none by default: give the client an audience mapper", err)
	}
	return err
}
