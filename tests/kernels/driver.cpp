// The kernels without Python, beside plain loops in double: for CPUs of other kinds. With Debian's
// cross compiler and emulator (apt install g++-aarch64-linux-gnu qemu-user), from the root:
//
//     aarch64-linux-gnu-g++ -O3 -std=c++17 -fopenmp -static tests/kernels/driver.cpp -o /tmp/driver
//     qemu-aarch64 /tmp/driver
//
// It prints the lanes and the error of every operation, and fails if one is above 1e-5.

#include "../../hrnet_mm/kernels/cpp/run.cpp"

#include <cstdio>
#include <random>
#include <vector>

using Numbers = std::vector<float>;
constexpr int N = 2, IN = 32, OUT = 48, H = 13, W = 10, THREADS = 2;
static int failures = 0;

static Numbers random_numbers(size_t size) {
  static std::mt19937 generator(0);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Numbers numbers(size);
  for (float& x : numbers) x = uniform(generator);
  return numbers;
}

static void report(const char* name, const Numbers& actual, const std::vector<double>& expected) {
  double error = 0, largest = 0;
  for (size_t k = 0; k < actual.size(); k++) {
    double difference = std::abs(actual[k] - expected[k]);
    if (!(difference <= error) && error == error) error = difference;  // NaN stays
    largest = std::max(largest, std::abs(expected[k]));
  }
  bool is_right = error <= 1e-5 * largest;
  failures += !is_right;
  printf("%-28s %.1e%s\n", name, error / largest, is_right ? "" : "  WRONG");
}

// x (N, H, W, in) -> (N, h, w, out) by filters (out, taps, taps, in).
static std::vector<double> convolved(const Numbers& x, const Numbers& weight, int in, int out,
                                     int taps, int stride) {
  int h = (H - 1) / stride + 1, w = (W - 1) / stride + 1;
  std::vector<double> y((size_t)N * h * w * out);
  for (size_t k = 0; k < y.size(); k++) {
    int o = k % out, column = k / out % w, row = k / out / w % h, i = k / out / w / h;
    for (int t = 0; t < taps * taps; t++) {
      int iy = row * stride + t / taps - taps / 2, ix = column * stride + t % taps - taps / 2;
      if (iy < 0 || iy >= H || ix < 0 || ix >= W) continue;
      const float* pixel = &x[((i * H + iy) * W + ix) * in];
      const float* filter = &weight[(o * taps * taps + t) * in];
      for (int c = 0; c < in; c++) y[k] += (double)pixel[c] * filter[c];
    }
  }
  return y;
}

static void convolutions_of_training() {
  for (int tile : {0, 2, 4}) {
    int taps = tile ? 3 : 1;
    Numbers x = random_numbers(N * H * W * IN), dy = random_numbers(N * H * W * OUT);
    Numbers weight = random_numbers(OUT * taps * taps * IN), y(N * H * W * OUT), dx(x.size());
    convolve(tile, 0, 0, N, H, W, IN, OUT, 0, x.data(), weight.data(), y.data(), THREADS);
    char name[40];
    snprintf(name, sizeof name, "convolution, tile %d", tile);
    report(name, y, convolved(x, weight, IN, OUT, taps, 1));

    convolve(tile, 0, 0, N, H, W, OUT, IN, 1, dy.data(), weight.data(), dx.data(), THREADS);
    Numbers flipped(weight.size()), dweight(weight.size());
    for (int o = 0; o < OUT; o++)
      for (int t = 0; t < taps * taps; t++)
        for (int c = 0; c < IN; c++)
          flipped[(c * taps * taps + taps * taps - 1 - t) * OUT + o] =
              weight[(o * taps * taps + t) * IN + c];
    snprintf(name, sizeof name, "its gradient, tile %d", tile);
    report(name, dx, convolved(dy, flipped, OUT, IN, taps, 1));

    weight_gradient(tile, 0, 0, N, H, W, IN, OUT, x.data(), dy.data(), dweight.data(), THREADS);
    std::vector<double> expected(weight.size());
    for (int p = 0; p < N * H * W; p++)
      for (int t = 0; t < taps * taps; t++) {
        int iy = p / W % H + t / taps - taps / 2, ix = p % W + t % taps - taps / 2;
        if (iy < 0 || iy >= H || ix < 0 || ix >= W) continue;
        for (int o = 0; o < OUT; o++)
          for (int c = 0; c < IN; c++)
            expected[(o * taps * taps + t) * IN + c] +=
                (double)dy[p * OUT + o] * x[((p / W / H * H + iy) * W + ix) * IN + c];
      }
    snprintf(name, sizeof name, "gradient of filters, tile %d", tile);
    report(name, dweight, expected);
  }
}

static void run_alone(Op& op, std::vector<Numbers*> maps) {
  std::vector<float*> buffers;
  for (Numbers* map : maps) buffers.push_back(map->data());
  op.groups = 1;
  op.items = blocks(&op);
  const int32_t end = 1;
  run(&op, &end, 1, buffers.data(), THREADS);
}

// A convolution of a plan with a bias, a sum and ReLU.
static void convolutions_of_a_plan() {
  struct { int kind, tile, stride; } forms[] = {{CONV, 0, 1}, {CONV, 0, 2}, {WINOGRAD_2, 2, 1},
                                                {WINOGRAD_4, 4, 1}};
  for (auto form : forms) {
    int h = (H - 1) / form.stride + 1, w = (W - 1) / form.stride + 1;
    Numbers x = random_numbers(N * H * W * IN), add = random_numbers(N * h * w * OUT);
    Numbers weight = random_numbers(OUT * 9 * IN), bias = random_numbers(OUT), y(add.size());
    int numbers = form.tile ? IN : 9 * IN;
    Numbers packed(packed_size(form.tile, 0, OUT, numbers));
    pack(form.tile, 0, OUT, numbers, weight.data(), packed.data(), THREADS);
    Op op = {};
    op.kind = form.kind;
    op.kernel = 3, op.padding = 1, op.stride = form.stride, op.relu = 1;
    op.in = dense(0, N, IN, H, W), op.out = dense(1, N, OUT, h, w), op.add = dense(2, N, OUT, h, w);
    op.filters = packed.data(), op.bias = bias.data();
    run_alone(op, {&x, &y, &add});
    std::vector<double> expected = convolved(x, weight, IN, OUT, 3, form.stride);
    for (size_t k = 0; k < expected.size(); k++)
      expected[k] = std::max(0.0, expected[k] + bias[k % OUT] + add[k]);
    char name[40];
    snprintf(name, sizeof name, "planned, tile %d, stride %d", form.tile, form.stride);
    report(name, y, expected);
  }
}

static void maps_of_a_plan() {
  constexpr int H2 = (H + 1) / 2, W2 = (W + 1) / 2;
  Numbers base = random_numbers(N * H * W * IN), same = random_numbers(base.size());
  Numbers coarser = random_numbers(N * H2 * W2 * IN), y(base.size());
  Map maps[] = {dense(2, N, IN, H, W), dense(3, N, IN, H2, W2)};
  Op op = {};
  op.kind = UPSAMPLE_SUM, op.upsample = BILINEAR, op.num_same = op.num_coarser = op.relu = 1;
  op.in = dense(0, N, IN, H, W), op.out = dense(1, N, IN, H, W), op.maps = maps;
  run_alone(op, {&base, &y, &same, &coarser});
  std::vector<double> sums(y.size());
  auto corner = [](double at, int size, int& low, int& high) {
    at = std::max(at, 0.0);
    low = std::min((int)at, size - 1), high = std::min(low + 1, size - 1);
    return at - low;
  };
  for (size_t k = 0; k < sums.size(); k++) {
    int c = k % IN, x = k / IN % W, y = k / IN / W % H, i = k / IN / W / H, y0, y1, x0, x1;
    double v = corner((double)H2 / H * (y + 0.5) - 0.5, H2, y0, y1);
    double h = corner((double)W2 / W * (x + 0.5) - 0.5, W2, x0, x1);
    auto at = [&](int y, int x) { return (double)coarser[((i * H2 + y) * W2 + x) * IN + c]; };
    double low = at(y0, x0) * (1 - h) + at(y0, x1) * h;
    double high = at(y1, x0) * (1 - h) + at(y1, x1) * h;
    sums[k] = std::max(0.0, base[k] + same[k] + low * (1 - v) + high * v);
  }
  report("upsampled sum", y, sums);

  constexpr int H_POOLED = H / 2, W_POOLED = W / 2;
  Numbers pooled(N * H_POOLED * W_POOLED * IN);
  std::vector<double> means(pooled.size());
  op = {};
  op.kind = POOL, op.average = 1, op.stride = op.window_h = op.window_w = 2;
  op.in = dense(0, N, IN, H, W), op.out = dense(1, N, IN, H_POOLED, W_POOLED);
  run_alone(op, {&base, &pooled});
  for (size_t k = 0; k < means.size(); k++) {
    int c = k % IN, x = k / IN % W_POOLED, y = k / IN / W_POOLED % H_POOLED;
    int i = k / IN / W_POOLED / H_POOLED;
    for (int t = 0; t < 4; t++)
      means[k] += base[((i * H + 2 * y + t / 2) * W + 2 * x + t % 2) * IN + c] / 4.0;
  }
  report("average pooling", pooled, means);
}

// Training's norm and ReLU; the gradients by the textbook's formula.
static void batch_norm() {
  int64_t pixels = N * H * W;
  Numbers x = random_numbers(pixels * IN), dy = random_numbers(x.size()), y(x.size()), dx(x.size());
  Numbers weight = random_numbers(IN), bias = random_numbers(IN), mean(IN), scale(IN);
  Numbers running_mean(IN), running_variance(IN), dweight(IN), dbias(IN);
  norm_forward(0, pixels, IN, 1, 1e-5f, 0.1f, x.data(), nullptr, weight.data(), bias.data(),
               running_mean.data(), running_variance.data(), mean.data(), scale.data(), y.data(),
               THREADS);
  norm_backward(0, pixels, IN, dy.data(), x.data(), y.data(), weight.data(), mean.data(),
                scale.data(), dx.data(), nullptr, dweight.data(), dbias.data(), THREADS);
  std::vector<double> outputs(x.size()), gradients(x.size()), of_weight(IN), of_bias(IN);
  for (int c = 0; c < IN; c++) {
    double sum = 0, squares = 0;
    for (int64_t p = 0; p < pixels; p++) sum += x[p * IN + c];
    for (int64_t p = 0; p < pixels; p++) squares += pow(x[p * IN + c] - sum / pixels, 2);
    double reciprocal = 1 / sqrt(squares / pixels + 1e-5);
    auto normal = [&](int64_t p) { return (x[p * IN + c] - sum / pixels) * reciprocal; };
    auto passed = [&](int64_t p) { return y[p * IN + c] > 0 ? dy[p * IN + c] : 0.0; };
    for (int64_t p = 0; p < pixels; p++) {
      outputs[p * IN + c] = std::max(0.0, normal(p) * weight[c] + bias[c]);
      of_bias[c] += passed(p);
      of_weight[c] += passed(p) * normal(p);
    }
    for (int64_t p = 0; p < pixels; p++)
      gradients[p * IN + c] = weight[c] * reciprocal *
                              (passed(p) - of_bias[c] / pixels - normal(p) * of_weight[c] / pixels);
  }
  report("batch norm", y, outputs);
  report("its gradient", dx, gradients);
  report("gradient of its weight", dweight, of_weight);
  report("gradient of its bias", dbias, of_bias);
}

int main() {
  printf("%d lanes\n", lanes());
  convolutions_of_training();
  convolutions_of_a_plan();
  maps_of_a_plan();
  batch_norm();
  printf(failures ? "%d operations are WRONG\n" : "all operations are right\n", failures);
  return failures > 0;
}
