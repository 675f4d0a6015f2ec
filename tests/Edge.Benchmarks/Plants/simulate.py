"""simulate.py FOLDER SEED...: recordings of seven simulated plants.

Each plant and seed gives NAME-train.csv without a fault, NAME-test.csv with faults (column anomaly), and NAME.json, which says what is
wrong from which row to which, over how many rows it grows, and which channels may be named. Standard library only; the same seed gives
the same rows.
"""

import csv
import json
import math
import random
import sys
from math import exp, pi, sin


def wander(noise, value, rows, deviation):
    """One row of an Ornstein-Uhlenbeck process: it forgets over so many rows and has this deviation."""
    kept = math.exp(-1 / rows)
    return value * kept + deviation * math.sqrt(1 - kept * kept) * noise.gauss(0, 1)


# Faults: kind, channels that may be named, least and largest size, whether it can grow slowly.


class Motor:
    """A motor with a drive: set points of speed, a load that is not measured, a winding that warms over ten minutes."""

    columns = ['vibration_de', 'vibration_nde', 'winding', 'current', 'speed']
    period = 1
    length = 1
    faults = [
        ('imbalance', 'vibration_de,vibration_nde', 0.5, 1.2, True),
        ('winding', 'winding,current', 6, 12, True),
        ('loose foot', 'vibration_nde', 0.4, 0.9, False),
        ('current sensor', 'current', 1.2, 2.5, True),
        ('bearing', 'vibration_de', 0.5, 1.2, True),
    ]

    def __init__(self, noise):
        self.noise = noise
        self.speed = 30.0
        self.winding = 60.0
        self.set_point = 40
        self.rows_left = 0
        self.load = 0.6
        self.ambient = 0

    def step(self, fault):
        r = self.noise
        self.rows_left -= 1
        if self.rows_left <= 0:
            self.set_point = r.choice([25, 35, 45, 50])
            self.rows_left = int(120 + r.expovariate(1 / 400))
        self.speed += 0.05 * (self.set_point - self.speed)
        self.load = 0.6 + wander(r, self.load - 0.6, 200, 0.1)
        self.ambient = wander(r, self.ambient, 4000, 2)
        current = 5 + 20 * self.load * (self.speed / 50) ** 2 + fault.get('winding', 0) * 0.15
        self.winding += (25 + self.ambient + 0.09 * current * current + fault.get('winding', 0) - self.winding) / 600
        imbalance = fault.get('imbalance', 0)
        drive_end = 0.3 + 0.0006 * self.speed ** 2 * (1 + imbalance * 0.8) + fault.get('bearing', 0) + 0.1 * self.load
        other_end = (0.25 + 0.0005 * self.speed ** 2 * (1 + imbalance * 0.5)
                     + fault.get('loose foot', 0) * (self.speed / 40) + 0.05 * self.load)
        return [
            drive_end * (1 + 0.06 * r.gauss(0, 1)),
            other_end * (1 + 0.06 * r.gauss(0, 1)),
            self.winding + 0.15 * r.gauss(0, 1),
            current * (1 + 0.01 * r.gauss(0, 1)) + fault.get('current sensor', 0),
            self.speed + 0.1 * r.gauss(0, 1),
        ]


class Pump:
    """A pump station: a tank that a pump fills between two levels, and a demand that is not measured."""

    columns = ['level', 'flow', 'pressure', 'power']
    period = 10
    length = 1
    faults = [
        ('leak', 'level,flow', 0.5, 1.0, True),
        ('clogging', 'flow,pressure,power', 0.08, 0.2, True),
        ('pressure sensor', 'pressure', 0.12, 0.3, True),
        ('level jump', 'level', 0.5, 0.9, False),
    ]

    def __init__(self, noise):
        self.noise = noise
        self.level = 2.0
        self.is_on = True
        self.flow = 0
        self.row = noise.random() * 8640
        self.demand = 0

    def step(self, fault):
        r = self.noise
        self.row += 1
        self.demand = wander(r, self.demand, 300, 1.5)
        turn = 2 * pi * self.row / 8640
        demand = max(0, 8 + 4 * sin(turn) + 2 * sin(2 * turn + 1) + self.demand)
        if self.level < 1.5:
            self.is_on = True
        if self.level > 3.5:
            self.is_on = False
        open_share = 1 - fault.get('clogging', 0)
        flow = (24 - 1.2 * self.level) * open_share if self.is_on else 0
        self.flow += 0.4 * (flow - self.flow)
        self.level += (self.flow - demand - fault.get('leak', 0) * 4) / 900
        pressure = 1.2 + 0.1 * self.level + (0.0035 * self.flow ** 2 / open_share ** 2 if self.is_on else 0)
        power = 0.4 + (5.5 + 0.12 * self.flow) * (1 if self.is_on else 0)
        return [
            self.level + fault.get('level jump', 0) + 0.01 * r.gauss(0, 1),
            max(0, self.flow + 0.15 * r.gauss(0, 1)),
            pressure + fault.get('pressure sensor', 0) + 0.02 * r.gauss(0, 1),
            power * (1 + 0.01 * r.gauss(0, 1)),
        ]


class Hvac:
    """An air handler of an office: weather, working days and weekends, ventilation by CO2."""

    columns = ['supply', 'return', 'co2', 'outside', 'power']
    period = 60
    length = 2
    faults = [
        ('damper', 'co2', 120, 300, True),
        ('supply sensor', 'supply', 0.8, 2, True),
        ('fouled filter', 'power', 0.4, 0.9, True),
        ('valve', 'supply,return,power', 2, 4, False),
    ]

    def __init__(self, noise):
        self.noise = noise
        self.row = 0
        self.room = 21.0
        self.co2 = 450
        self.weather = 0
        self.supply = 18
        self.people = 0

    def step(self, fault):
        r = self.noise
        self.row += 1
        day = self.row / 1440
        self.weather = wander(r, self.weather, 2000, 3)
        outside = 12 + 6 * sin(2 * pi * (day - 0.3)) + self.weather
        hour = (day % 1) * 24
        works = 1 if int(day) % 7 < 5 else 0.05
        people = (1 / (1 + exp(-(hour - 8) * 2)) - 1 / (1 + exp(-(hour - 17.5) * 2))) * works
        self.people = wander(r, self.people, 30, 0.12)
        people = max(0, people * (1 + self.people))
        air = 0.2 + 0.8 * min(1, max(0, (self.co2 - 500) / 400))
        self.co2 += (people * 28 - (self.co2 - 420) * 0.035 * air) + fault.get('damper', 0) * 0.035 * air
        wanted = min(32, max(12, 18 + 1.2 * (21 - self.room) * 3))
        self.supply += 0.15 * (wanted + fault.get('valve', 0) - self.supply)
        self.room += (outside - self.room) * 0.001 + people * 0.02 + 0.03 * air * (self.supply - self.room)
        power = (1 + 3 * air ** 2 * (1 + fault.get('fouled filter', 0))
                 + 0.25 * abs(self.supply - (0.7 * self.room + 0.3 * outside)) * air)
        return [
            self.supply + fault.get('supply sensor', 0) + 0.1 * r.gauss(0, 1),
            self.room + 0.05 * r.gauss(0, 1),
            self.co2 + 8 * r.gauss(0, 1),
            outside + 0.1 * r.gauss(0, 1),
            power * (1 + 0.03 * r.gauss(0, 1)),
        ]


class Wind:
    """A wind turbine with a gearbox that warms over an hour."""

    columns = ['wind', 'power', 'gearbox', 'rotor', 'ambient']
    period = 60
    length = 1
    faults = [
        ('gearbox', 'gearbox', 4, 9, True),
        ('icing', 'power,rotor', 0.1, 0.25, True),
        ('anemometer', 'wind', 0.8, 1.8, True),
        ('pitch', 'power,rotor', 0.2, 0.4, False),
    ]

    def __init__(self, noise):
        self.noise = noise
        self.weather = 0
        self.gust = 0
        self.gearbox = 40
        self.warmth = 0
        self.row = 0

    def step(self, fault):
        r = self.noise
        self.row += 1
        self.weather = wander(r, self.weather, 800, 3)
        self.gust = wander(r, self.gust, 4, 0.8)
        wind = max(0, 8 + self.weather + self.gust)
        self.warmth = wander(r, self.warmth, 4000, 4)
        ambient = 10 + 4 * sin(2 * pi * self.row / 1440) + self.warmth
        share = 1 - fault.get('icing', 0) - fault.get('pitch', 0)
        power = max(0, (min(12, wind) ** 3 - 30) / 1698) * 2000 * share
        rotor = min(16, 1.55 * max(0, wind - 1)) * (1 - 0.3 * (1 - share))
        self.gearbox += (ambient + 22 + 0.016 * power + fault.get('gearbox', 0) - self.gearbox) / 60
        return [
            max(0, wind + fault.get('anemometer', 0) + 0.3 * r.gauss(0, 1)),
            power * (1 + 0.03 * r.gauss(0, 1)) + 5 * r.gauss(0, 1),
            self.gearbox + 0.2 * r.gauss(0, 1),
            rotor + 0.15 * r.gauss(0, 1),
            ambient + 0.2 * r.gauss(0, 1),
        ]


class Solar:
    """Solar panels under clouds."""

    columns = ['irradiance', 'power', 'module', 'ambient']
    period = 300
    length = 1
    faults = [
        ('soiling', 'power', 0.08, 0.2, True),
        ('string', 'power', 0.2, 0.35, False),
        ('pyranometer', 'irradiance', 40, 110, True),
        ('module sensor', 'module', 3, 7, True),
    ]

    def __init__(self, noise):
        self.noise = noise
        self.row = 0
        self.cloud = 0
        self.warmth = 0
        self.module = 10

    def step(self, fault):
        r = self.noise
        self.row += 1
        day = self.row / 288
        self.cloud = wander(r, self.cloud, 20, 1)
        self.warmth = wander(r, self.warmth, 800, 3)
        sun = max(0, sin(2 * pi * (day - 0.25)))
        clear = 1 / (1 + exp(1.5 * (self.cloud - 0.5)))
        irradiance = 950 * sun ** 1.2 * (0.25 + 0.75 * clear)
        ambient = 14 + 6 * sin(2 * pi * (day - 0.35)) + self.warmth
        self.module += 0.5 * (ambient + 0.028 * irradiance - self.module)
        power = irradiance * 0.05 * (1 - 0.004 * (self.module - 25)) * (1 - fault.get('soiling', 0) - fault.get('string', 0))
        return [
            max(0, irradiance + (fault.get('pyranometer', 0) if irradiance > 0 else 0) + 4 * r.gauss(0, 1)),
            max(0, power + 0.1 * r.gauss(0, 1)),
            self.module + fault.get('module sensor', 0) + 0.3 * r.gauss(0, 1),
            ambient + 0.2 * r.gauss(0, 1),
        ]


class Aeration:
    """An aeration tank of a sewage plant: a controller holds the oxygen, so that faults show in what it does."""

    columns = ['oxygen', 'airflow', 'ammonium', 'inflow', 'temperature']
    period = 60
    length = 1
    faults = [
        ('oxygen sensor', 'oxygen,airflow', 0.4, 1.0, True),
        ('diffuser', 'airflow', 0.15, 0.4, True),
        ('toxic', 'ammonium', 3, 6, True),
        ('blower', 'oxygen,airflow', 0.3, 0.5, False),
    ]

    def __init__(self, noise):
        self.noise = noise
        self.row = 0
        self.oxygen = 2
        self.ammonium = 2
        self.rain = 0
        self.season = 0
        self.integral = 50
        self.strength = 0

    def step(self, fault):
        r = self.noise
        self.row += 1
        turn = 2 * pi * self.row / 1440
        self.rain = wander(r, self.rain, 200, 0.12)
        inflow = max(0.2, 1 + 0.35 * sin(turn - 2) + 0.12 * sin(2 * turn) + self.rain)
        self.season = wander(r, self.season, 6000, 1.5)
        temperature = 16 + self.season
        self.strength = wander(r, self.strength, 100, 0.1)
        load = inflow * (1 + self.strength)
        measured = self.oxygen + fault.get('oxygen sensor', 0) + 0.04 * r.gauss(0, 1)
        error = 2 - measured
        self.integral = min(100, max(10, self.integral + 0.6 * error))
        air = min(100, max(10, self.integral + 6 * error))
        efficiency = 1 - fault.get('diffuser', 0) - fault.get('blower', 0)
        self.oxygen += 0.06 * ((0.08 * air * efficiency * (9 - self.oxygen) / 7) - 1.9 * load * self.oxygen / (self.oxygen + 0.4) - 0.2)
        self.oxygen = max(0, self.oxygen)
        self.ammonium += 0.01 * (6 * load - (4.2 - 0.7 * fault.get('toxic', 0)) * self.oxygen / (self.oxygen + 0.5)
                                 * self.ammonium / (self.ammonium + 1) * 1.8 * (1 + 0.04 * (temperature - 16)))
        self.ammonium = max(0, self.ammonium)
        return [
            measured,
            air * (1 + 0.01 * r.gauss(0, 1)),
            self.ammonium + 0.1 * r.gauss(0, 1),
            inflow * 100 + 1.5 * r.gauss(0, 1),
            temperature + 0.05 * r.gauss(0, 1),
        ]


class Oven:
    """A baking oven with two zones: set points of batches, a door that opens between them."""

    columns = ['zone1', 'zone2', 'power', 'door']
    period = 5
    length = 1
    faults = [
        ('thermocouple', 'zone1', 6, 14, True),
        ('element', 'power,zone2', 0.12, 0.3, True),
        ('insulation', 'power,zone1,zone2', 0.15, 0.4, True),
        ('seal', 'zone2', 8, 16, False),
    ]

    def __init__(self, noise):
        self.noise = noise
        self.zone1 = 150
        self.zone2 = 148
        self.set_point = 180
        self.rows_left = 0
        self.integral = 30
        self.open_rows = 0
        self.warmth = 0

    def step(self, fault):
        r = self.noise
        self.rows_left -= 1
        self.warmth = wander(r, self.warmth, 3000, 3)
        if self.rows_left <= 0:
            self.set_point = r.choice([160, 180, 180, 220])
            self.rows_left = int(300 + r.random() * 400)
            self.open_rows = 12
        self.open_rows = max(0, self.open_rows - 1)
        measured = self.zone1 + fault.get('thermocouple', 0) + 0.3 * r.gauss(0, 1)
        error = self.set_point - measured
        self.integral = min(100, max(0, self.integral + 0.05 * error))
        share = min(100, max(0, self.integral + 2 * error))
        loss = 1 + fault.get('insulation', 0)
        ambient = 22 + self.warmth
        element = 1 - 0.5 * fault.get('element', 0)
        heat = share * 0.055 * element
        self.zone1 += heat - 0.02 * loss * (self.zone1 - ambient) - (1.5 if self.open_rows else 0)
        self.zone2 += (0.9 * heat * element + 0.03 * (self.zone1 - self.zone2) - 0.018 * loss * (self.zone2 - ambient)
                       - (2 if self.open_rows else 0) - 0.018 * fault.get('seal', 0))
        return [
            measured,
            self.zone2 + 0.3 * r.gauss(0, 1),
            share * 0.1 + 0.05 * r.gauss(0, 1),
            1.0 if self.open_rows else 0.0,
        ]


PLANTS = {'motor': Motor, 'pump': Pump, 'hvac': Hvac, 'wind': Wind, 'solar': Solar, 'aeration': Aeration, 'oven': Oven}
SETTLE_ROWS = 3000
TRAIN_ROWS = 12_000
TEST_ROWS = 16_000
START = 1_700_000_000


def plan_faults(plant, noise):
    """One fault of each kind, at random sizes and lengths, with calm rows between them."""
    plan = []
    row = 2000 * plant.length
    for kind, channels, least, largest, can_grow in plant.faults:
        grows = can_grow and noise.random() < 0.8
        rows = (noise.randint(900, 1800) if grows else noise.randint(100, 500)) * plant.length
        growth = (rows if noise.random() < 0.6 else rows // 2) if grows else 1
        first = row + noise.randint(0, 400) * plant.length
        plan.append({
            'kind': kind,
            'channels': channels,
            'size': round(noise.uniform(least, largest), 3),
            'first_row': first,
            'last_row': first + rows - 1,
            'grows_over_rows': growth,
        })
        row = first + rows + 900 * plant.length
    return plan, row + 500


def faults_at(plan, row):
    return {
        fault['kind']: fault['size'] * min(1, (row - fault['first_row'] + 1) / fault['grows_over_rows'])
        for fault in plan
        if fault['first_row'] <= row <= fault['last_row']
    }


def write(path, columns, rows, first_row, period):
    with open(path, 'w') as file:
        writer = csv.writer(file)
        writer.writerow(['time'] + columns)
        for at, row in enumerate(rows):
            writer.writerow([(first_row + at) * period + START] + [round(value, 4) for value in row])


def simulate(folder, name, seed):
    noise = random.Random(f'{name}-{seed}')
    plant = PLANTS[name](noise)
    for _ in range(SETTLE_ROWS):
        plant.step({})
    train = [plant.step({}) for _ in range(TRAIN_ROWS * plant.length)]
    plan, least_rows = plan_faults(plant, noise)
    test = []
    for row in range(max(TEST_ROWS * plant.length, least_rows)):
        faults = faults_at(plan, row)
        test.append(plant.step(faults) + [1 if faults else 0])
    write(f'{folder}/{name}{seed}-train.csv', plant.columns, train, 0, plant.period)
    write(f'{folder}/{name}{seed}-test.csv', plant.columns + ['anomaly'], test, len(train), plant.period)
    with open(f'{folder}/{name}{seed}.json', 'w') as file:
        json.dump({'period_seconds': plant.period, 'columns': plant.columns, 'faults': plan}, file)


if __name__ == '__main__':
    for given in sys.argv[2:]:
        for each in PLANTS:
            simulate(sys.argv[1], each, given)
