"use strict";
// The document names the address that the service is known by. "Try it out" must go to the address that this page
// came from, which may be another one (a proxy, a forwarded port, localhost).
(async () => {
  const here = new URL(".", location.href).href.replace(/\/$/, "");
  const answer = await fetch("openapi.json");
  const spec = await answer.json();
  spec.servers = [{ url: here }];
  spec.components.securitySchemes.oauth2.flows.clientCredentials.tokenUrl = here + "/oauth/token";
  const ui = SwaggerUIBundle({
    spec,
    domNode: document.getElementById("document"),
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
  });
  // It follows a link to an operation only when the page loads; ours stand on the page itself.
  addEventListener("hashchange", () => ui.layoutActions.parseDeepLinkHash(location.hash));
})();
