"""shown.py SEED...: how early a chart finds the faults of simulate.py that has been shown each of them.

For each kind of fault a ridge regression learns how large it is, from eight other recordings in which it comes and goes, and from six
without a fault: on the channels, their means over 10, 60 and 300 rows, squares and products, and the time of day. The chart compares
averages of that size over 1, 5, 30 and 200 rows with so many times the largest of the calm recordings. No detector that knows calm rows
only has so much to go by. Needs numpy.
"""

import random
import sys

import numpy

import simulate

SPANS = (1, 5, 30, 200)
FACTORS = (1.5, 2.0, 2.5)
EXAMPLES = 8
CALM = 6
SETTLE_ROWS = 400
JOIN_ROWS = 60
ROWS_BEHIND = 20


def averaged(values, span):
    averages = numpy.empty_like(values)
    average = values[0]
    for row, value in enumerate(values):
        average = average + (value - average) / span
        averages[row] = average
    return averages


def rows_of(name, seed, count, faults):
    plant = simulate.PLANTS[name](random.Random(f'{name}-{seed}'))
    for _ in range(simulate.SETTLE_ROWS):
        plant.step({})
    return numpy.array([plant.step(faults(row)) for row in range(count)])


def products(values):
    channels = range(values.shape[1])
    return [values[:, [first]] * values[:, [second]] for first in channels for second in range(first + 1)]


def features(rows, mean, deviation, first_row, period):
    values = (rows - mean) / deviation
    means = [averaged(values, span) for span in (10, 60, 300)]
    turns = 2 * numpy.pi * period / 86400 * (first_row + numpy.arange(len(rows)))[:, None]
    day = [course(times * turns) for times in (1, 2, 3) for course in (numpy.sin, numpy.cos)]
    curved = products(values) + products(means[0]) + products(means[1])
    return numpy.hstack([numpy.ones((len(rows), 1)), values, *means, *curved, *day])


def example(plant, name, number, of):
    """A recording in which one kind of fault comes and goes, and how large it is at each row."""
    kind, _, least, largest, can_grow = plant.faults[number]
    noise = random.Random(f'{name}{number}{of}')
    count = simulate.TEST_ROWS * plant.length
    size = numpy.zeros(count)
    begin = 1000
    while begin < count:
        rows = noise.randint(900, 1800) * plant.length
        growth = (rows if noise.random() < 0.6 else rows // 2) if can_grow else 1
        course = noise.uniform(least, largest) * numpy.minimum(1, numpy.arange(1, rows + 1) / growth)
        size[begin:begin + rows] = course[:max(0, count - begin)]
        begin += rows + noise.randint(600, 1500) * plant.length
    rows = rows_of(name, f'example{number}-{of}', count, lambda row: {kind: size[row]} if size[row] else {})
    return rows, size / largest


def learn(name):
    plant = simulate.PLANTS[name]
    calm = [rows_of(name, f'calm{of}', simulate.TEST_ROWS * plant.length, lambda row: {}) for of in range(CALM)]
    mean = numpy.vstack(calm).mean(0)
    deviation = numpy.vstack(calm).std(0) + 1e-9

    def inputs(rows, first_row=simulate.SETTLE_ROWS):
        return features(rows, mean, deviation, first_row, plant.period)

    calm = [inputs(rows) for rows in calm]
    charts = []
    for number in range(len(plant.faults)):
        gram = sum(rows[SETTLE_ROWS:].T @ rows[SETTLE_ROWS:] for rows in calm)
        moment = 0
        for of in range(EXAMPLES):
            rows, size = example(plant, name, number, of)
            rows = inputs(rows)
            gram = gram + rows[SETTLE_ROWS:].T @ rows[SETTLE_ROWS:]
            moment = moment + rows[SETTLE_ROWS:].T @ size[SETTLE_ROWS:]
        penalty = 1e-6 * numpy.trace(gram) / len(gram)
        weights = numpy.linalg.solve(gram + penalty * numpy.eye(len(gram)), moment)
        charts.append((weights, [max(averaged(rows @ weights, span)[SETTLE_ROWS:].max() for rows in calm) for span in SPANS]))
    return inputs, charts


def alarms(rows, charts, factor):
    over = numpy.zeros(len(rows), bool)
    for weights, largest in charts:
        for span, limit in zip(SPANS, largest):
            over |= averaged(rows @ weights, span) > factor * limit
    over[:SETTLE_ROWS] = False
    found = []
    for row in numpy.flatnonzero(over):
        if found and row - found[-1][1] <= JOIN_ROWS:
            found[-1][1] = row
        else:
            found.append([row, row])
    return found


def judge(found, plan):
    """Faults, found, slow ones, those found in the first half of their growth, alarms without a fault: as PlantsBenchmark counts."""
    score = numpy.zeros(5, int)
    of_faults = 0
    for begin, end in found:
        of_faults += any(begin <= fault['last_row'] + ROWS_BEHIND and end >= fault['first_row'] for fault in plan)
    for fault in plan:
        first, last, growth = fault['first_row'], fault['last_row'], fault['grows_over_rows']
        stands = min(60, max(1, (last - first) // 10))
        begins = [begin for begin, end in found if first <= begin <= last + ROWS_BEHIND and min(end, last) - begin + 1 >= stands]
        score += [1, bool(begins), growth > 1, growth > 1 and bool(begins) and begins[0] <= first + growth / 2, 0]
    score[4] = len(found) - of_faults
    return score


def main(seeds):
    scores = {factor: numpy.zeros(5, int) for factor in FACTORS}
    for name, kind in simulate.PLANTS.items():
        inputs, charts = learn(name)
        for seed in seeds:
            noise = random.Random(f'{name}-{seed}')
            plant = kind(noise)
            train = simulate.TRAIN_ROWS * plant.length
            for _ in range(simulate.SETTLE_ROWS + train):
                plant.step({})
            plan, least_rows = simulate.plan_faults(plant, noise)
            count = max(simulate.TEST_ROWS * plant.length, least_rows)
            rows = numpy.array([plant.step(simulate.faults_at(plan, row)) for row in range(count)])
            rows = inputs(rows, simulate.SETTLE_ROWS + train)
            for factor in FACTORS:
                scores[factor] += judge(alarms(rows, charts, factor), plan)
    for factor, (faults, found, slow, early, false) in scores.items():
        print(f'{factor} times the largest: {found} of {faults} faults found, {early} of {slow} slow ones in the first half of their '
              f'growth, {false} false')


if __name__ == '__main__':
    main(sys.argv[1:])
