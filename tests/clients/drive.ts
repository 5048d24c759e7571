// What an author of a TypeScript client writes, with the types that openapi-typescript has made.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

const [site, email, password] = process.argv.slice(2) as [string, string, string];
const anonymous = createClient<paths>({ baseUrl: site });
const basket: components["schemas"]["OrderRequest"] = {
  currency: "EUR",
  lines: [{ sku: "TEA-100", quantity: 2, unit_price_cents: 450 }],
};

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const refused = await anonymous.POST("/api/v1/orders", { body: basket });
check(refused.error?.code === "unauthorized", "a stranger may order");

const login = await anonymous.POST("/api/v1/auth/login", { body: { email, password } });
check(login.data !== undefined, "nobody can log in");
const client = createClient<paths>({
  baseUrl: site,
  headers: { Authorization: `Bearer ${login.data.access_token}` },
});

const created = await client.POST("/api/v1/orders", {
  params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  body: basket,
});
check(created.data?.total_cents === 900, "the order is priced otherwise");
const order: components["schemas"]["Order"] = created.data;

const listed = await client.GET("/api/v1/orders", { params: { query: { limit: 5 } } });
check(listed.data?.items.some((each) => each.id === order.id) === true, "the order is not listed");

const cancelled = await client.POST("/api/v1/orders/{order_id}/cancel", {
  params: { path: { order_id: order.id } },
});
check(cancelled.data?.status === "cancelled", "the order is not cancelled");

const again = await client.POST("/api/v1/orders/{order_id}/cancel", {
  params: { path: { order_id: order.id } },
});
check(again.error?.code === "order_already_cancelled", "the order is cancelled twice");
console.log("driven");
