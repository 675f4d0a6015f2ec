"""The script that a user would write instead: rows of a CSV file through an LSTM of 64 units that keeps its state, each forecast to the broker at QoS 1.

    forecast.py ROWS.csv PORT
"""

import csv
import json
import sys

import paho.mqtt.client as mqtt
import torch

rows, port = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(1)
lstm = torch.nn.LSTM(8, 64)
head = torch.nn.Linear(64, 8)

version = {"callback_api_version": mqtt.CallbackAPIVersion.VERSION2} if hasattr(mqtt, "CallbackAPIVersion") else {}
client = mqtt.Client(client_id="python", protocol=mqtt.MQTTv5, **version)
client.max_inflight_messages_set(256)
client.connect("127.0.0.1", port)
client.loop_start()

state = None
with torch.inference_mode(), open(rows, newline="") as file:
    reader = csv.reader(file)
    columns = next(reader)[1:]
    for seq, row in enumerate(reader, start=1):
        values = torch.tensor([[[float(value) for value in row[1:]]]])
        hidden, state = lstm(values, state)
        forecast = head(hidden).flatten().tolist()
        last = client.publish("edge/python/s/forecast", json.dumps({"seq": seq, "time": row[0], "channels": dict(zip(columns, forecast))}), qos=1)

last.wait_for_publish()
client.disconnect()
client.loop_stop()
