// A certified authorization server as a vendor: PKCE required, refresh tokens rotated on every use.
// Prints its address when it listens on a free port of 127.0.0.1.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [clientId, clientSecret, redirectUri, latency = "0", lifetime = "3600"] = process.argv.slice(2);
let refreshes = 0;
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "client_secret_basic",
      },
    ],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: Number(lifetime) },
    issueRefreshToken: async () => true,
    features: { revocation: { enabled: true }, devInteractions: { enabled: true } },
    scopes: ["openid", "offline_access"],
  });
  // The broker's own callback is on a port that nobody knows yet.
  const hosted = /^http:\/\/127\.0\.0\.1:\d+\/oauth\/callback\/oidcprovider$/;
  provider.Client.prototype.redirectUriAllowed = (uri) => uri === redirectUri || hosted.test(uri);
  const refreshing = (context) => context.oidc.params.grant_type === "refresh_token";
  // It acts, and then takes its time to answer.
  provider.use(async (context, next) => {
    await next();
    if (context.path === "/token" && refreshing(context)) {
      refreshes += 1;
      await new Promise((resolve) => setTimeout(resolve, Number(latency)));
    }
  });
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (request.url === "/stats") {
      response.end(JSON.stringify({ refreshes }));
    } else {
      answer(request, response);
    }
  });
  console.log(issuer);
});
