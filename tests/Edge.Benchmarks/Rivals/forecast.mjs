// The script that a user would write instead: rows of a CSV file through an LSTM of 64 units that keeps its state, each forecast to the broker at QoS 1.
//
//     node forecast.mjs ROWS.csv PORT STEP.onnx
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import mqtt from 'mqtt';
import ort from 'onnxruntime-node';

const [rows, port, model] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential' });
const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5, clientId: 'node' });

const Window = 256;
const inFlight = [];
let h0 = new ort.Tensor('float32', new Float32Array(64), [1, 1, 64]);
let c0 = new ort.Tensor('float32', new Float32Array(64), [1, 1, 64]);
let columns;
let seq = 0;
for await (const line of createInterface({ input: createReadStream(rows) })) {
  const [time, ...values] = line.split(',');
  if (!columns) {
    columns = values;
    continue;
  }

  const x = new ort.Tensor('float32', Float32Array.from(values, Number), [1, 1, values.length]);
  const { y, hn0, cn0 } = await session.run({ x, h0, c0 });
  h0 = hn0;
  c0 = cn0;
  const channels = Object.fromEntries(columns.map((column, i) => [column, y.data[i]]));
  inFlight.push(client.publishAsync('edge/node/s/forecast', JSON.stringify({ seq: ++seq, time, channels }), { qos: 1 }));
  if (inFlight.length >= Window) {
    await inFlight.shift();
  }
}

await Promise.all(inFlight);
await client.endAsync();
