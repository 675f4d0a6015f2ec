"""ewma_chart.py READINGS EVENTS ROWS LIMIT JOIN COLUMN...: a plain chart, for comparison with the detector.

An exponentially weighted mean of each column over ten rows, in deviations of the column on the first ROWS rows. It is abnormal where it
is farther from the column's mean there than LIMIT of its own deviations there. Abnormal rows with fewer than JOIN calm ones between them
are one anomaly. EVENTS is written as `edge-runtime replay --output` writes it, for `edge-runtime score`.
"""

import csv
import json
import math
import sys

SPAN = 10


def moments(values):
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def averaged(values):
    averages = []
    average = values[0]
    for value in values:
        average += (value - average) / SPAN
        averages.append(average)
    return averages


def is_abnormal(values, rows, limit):
    mean, deviation = moments(values[:rows])
    averages = averaged([(value - mean) / max(deviation, 1e-9) for value in values])
    _, usual = moments(averages[SPAN:rows])
    return [abs(average) > limit * max(usual, 1e-6) for average in averages]


def main():
    readings, events, rows, limit, join = sys.argv[1:6]
    columns = sys.argv[6:]
    with open(readings, encoding='utf-8') as file:
        header = file.readline()
        file.seek(0)
        table = list(csv.DictReader(file, delimiter=';' if ';' in header else ','))
    of_columns = [is_abnormal([float(row[column]) for row in table], int(rows), float(limit)) for column in columns]
    with open(events, 'w', encoding='utf-8') as file:
        opened = last = None
        for at, row in enumerate(table):
            time = next(iter(row.values())).replace(' ', 'T') + 'Z'
            changes = []
            if at >= int(rows) and any(column[at] for column in of_columns):
                if opened is None:
                    opened = time
                    changes = ['opened']
                last = at
            elif opened is not None and at - last >= int(join):
                changes = ['closed']
            for message in [{'channels': {}}] + [{'event': change, 'started': opened} for change in changes]:
                file.write(json.dumps({'time': time, **message}) + '\n')
            opened = None if changes == ['closed'] else opened


main()
