// Reading glimpses in one pass over the bytes: the pixels of every window are summed over blocks as they are read.
//
// H and W are the height and width of a patch, which are constants so that all loops but the clipped ones have a length
// that the compiler knows. Sums of 16 bits hold 256 rows of bytes.

#include <stdint.h>
#include <string.h>

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// One patch: the window whose first pixel is (x, y) of the plane that begins `plane` bytes into the memory of `length`
// bytes, a mean over `side` x `side` pixels for each of its own. Rows that reach beyond the plane, but not beyond the
// memory, are read whole too; what should not have been seen is cleared afterwards.
static inline __attribute__((always_inline)) void look(
    const uint8_t *memory, int64_t length, int64_t plane, int64_t pitch, int64_t height, int64_t width,
    int64_t x, int64_t y, const int64_t side, float *patch)
{
    const int64_t wide = W * side, left = least(most(0, -x), wide), right = most(left, least(wide, width - x));
    for (int64_t row = 0; row < H; row++, y += side, patch += W) {
        uint16_t sums[wide];
        uint32_t blocks[W];
        memset(sums, 0, sizeof sums);
        memset(blocks, 0, sizeof blocks);
        for (int64_t line = most(0, y); line < least(height, y + side); line++) {
            const int64_t run = plane + line * pitch + x;
            if (0 <= run && run + wide <= length)
                for (int64_t j = 0; j < wide; j++) sums[j] += memory[run + j];
            else
                for (int64_t j = left; j < right; j++) sums[j] += memory[run + j];
        }
        memset(sums, 0, left * sizeof *sums);
        memset(sums + right, 0, (wide - right) * sizeof *sums);
        for (int64_t k = 0; k < side; k++)
            for (int64_t j = 0; j < W; j++) blocks[j] += sums[j * side + k];
        for (int64_t j = 0; j < W; j++) patch[j] = (float)(int32_t)blocks[j] / (255.0f * side * side);
    }
}

// The glimpse at each of `batch` locations, of which `corner` (batch, depth, 2) holds the first pixel (x, y) of every
// window; location i looks at image i modulo their number. `shape` and `stride` are those of the images.
void read_windows(const uint8_t *image, const int64_t *shape, const int64_t *stride, const int64_t *corner,
                  int64_t batch, int64_t depth, int64_t threads, float *glimpse)
{
    const int64_t channels = shape[1];
    int64_t length = 1;
    for (int axis = 0; axis < 4; axis++) length += (shape[axis] - 1) * stride[axis];
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t at = 0; at < batch; at++)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t channel = 0; channel < channels; channel++) {
                const int64_t *xy = corner + 2 * (at * depth + k);
                const int64_t plane = at % shape[0] * stride[0] + channel * stride[1];
                float *patch = glimpse + ((at * depth + k) * channels + channel) * H * W;
#define LOOK(side) look(image, length, plane, stride[2], shape[2], shape[3], xy[0], xy[1], side, patch)
                switch (k) {  // the sides that are usual are constants too
                case 0: LOOK(1); break;
                case 1: LOOK(2); break;
                case 2: LOOK(4); break;
                case 3: LOOK(8); break;
                default: LOOK((int64_t)1 << k);
                }
            }
}
