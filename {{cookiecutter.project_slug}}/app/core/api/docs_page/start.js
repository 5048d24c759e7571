// A file of its own, so that the page's content security policy can refuse inline scripts.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true });
