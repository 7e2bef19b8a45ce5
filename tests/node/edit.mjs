// A script as somebody would write it in Node; prints a line of JSON for each thing that happens.
//   node edit.mjs <address> <endpoint> <prompt> <picture> [key]
import { readFile } from "node:fs/promises";
import { Client } from "@gradio/client";

const [address, endpoint, prompt, picture, key] = process.argv.slice(2);
const headers = key ? { "X-WaveSpeed-Key": key } : {};
const client = await Client.connect(address, { headers, events: ["data", "status"] });
const images = [new Blob([await readFile(picture)])];
let code = 0;
for await (const event of client.submit(endpoint, { images, prompt })) {
  if (event.type === "data") console.log(JSON.stringify({ at: performance.now(), data: event.data }));
  if (event.type === "status" && event.stage === "error") {
    console.log(JSON.stringify({ error: event.message }));
    code = 1;
  }
  if (event.type === "status" && ["complete", "error"].includes(event.stage)) break;
}
process.exit(code);
